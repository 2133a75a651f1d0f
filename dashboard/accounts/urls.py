"""URLs of the account pages. `dashboard.urls` includes them, so their names are `dashboard:login` etc."""

from __future__ import annotations

from django.urls import path

from dashboard.accounts import views

urlpatterns = [
    path("login/", views.login_page, name="login"),
    path("login/link/", views.login_link, name="login-link"),
    path("logout/", views.logout_page, name="logout"),
    path("account/password/", views.set_password, name="set-password"),
]
