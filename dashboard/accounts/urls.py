"""URLs of the accounts; `dashboard.urls` includes them, so that their names are `dashboard:login` and so on."""

from __future__ import annotations

from django.urls import path

from dashboard.accounts import views

urlpatterns = [
    path("login/", views.login_page, name="login"),
    path("login/link/", views.login_link, name="login-link"),
    path("logout/", views.logout_page, name="logout"),
    path("account/password/", views.set_password, name="set-password"),
]
