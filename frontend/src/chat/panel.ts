/** The chat panel of every page: which context, which conversation of it, and what a person does there. */

import { element, type Page } from "../app/page";
import type { ChatServerMessage, ChatState, EngineStatus } from "../live/messages";
import { setHidden, setText } from "../tables/cells";
import { RestError } from "../app/rest";
import { ChatApi } from "./api";
import { analysisNews } from "./analysis-view";
import { ContextBox } from "./combobox";
import { Composer } from "./composer";
import { EVERYTHING, inWords } from "./contexts";
import { Conversation, isOpen } from "./conversation";
import { need } from "./dom";
import { drawEngine, listPast } from "./head";
import { type Answer, Talk } from "./talk";
import { ThreadView } from "./thread-view";

const CONTEXT_KEY = "agentflow.chat.context";
const MESSAGES = ["CHAT_TURN", "CHAT_STEP", "CHAT_RESPONSE", "CHAT_ANALYSIS", "CHAT_CONVERSATION", "CHAT_DELTA", "CHAT_RETRYING"] as const;

export class ChatPanel {
  readonly #page: Page;
  readonly #root: HTMLElement;
  readonly #api: ChatApi;
  readonly #talk: Talk;
  readonly #composer: Composer | null;
  readonly #contexts: ContextBox;
  readonly #thread: ThreadView;
  readonly #mayOperate = document.body.classList.contains("may-operate");
  #conversation: Conversation | null = null;
  /** The open conversation of the context; empty = nobody has said anything there. */
  #present = "";
  #engine: EngineStatus | null = null;
  /** Counts choices: what a slower question answers is dropped. */
  #choice = 0;

  constructor(page: Page, root: HTMLElement) {
    this.#page = page;
    this.#root = root;
    this.#api = new ChatApi(page.settings.urls.chat);
    this.#talk = new Talk(page, this.#api);
    const form = root.querySelector<HTMLFormElement>("#chat-form");
    this.#composer = form ? new Composer(page, form, (text) => void this.#say(text)) : null;
    this.#thread = new ThreadView(page, need(root, "#chat-turns"), root.querySelector("#chat-earlier"));
    this.#contexts = new ContextBox({
      input: need<HTMLInputElement>(root, "#chat-context"),
      list: need(root, "#chat-contexts"),
      options: () => this.#options(),
      describe: (context) => inWords(context, page.texts),
      none: page.texts.say("chat.noContext"),
      onChoose: (context) => this.choose(context),
    });
    for (const type of MESSAGES) page.live.on(type, (message: ChatServerMessage) => this.#apply(message));
    page.live.on("SNAPSHOT", (snapshot) => snapshot.chats?.forEach((state) => state.id === this.#present && this.#show(state)));
    root.addEventListener("click", (event) => this.#clicked(event));
    this.choose(localStorage.getItem(CONTEXT_KEY) ?? EVERYTHING);
  }

  get context(): string {
    return this.#contexts.value;
  }

  /** Whether this conversation is what the panel shows. */
  shows(conversation: string): boolean {
    return this.#conversation?.info.id === conversation;
  }

  /** Whether what it shows has an analysis of this alert. */
  tellsOf(alert: string): boolean {
    return this.#conversation?.inOrder.some((turn) => turn.analysis?.alert === alert) ?? false;
  }

  focus(): void {
    if (this.#composer && !this.#root.querySelector("#chat-form[hidden]")) this.#composer.focus();
    else need(this.#root, "#chat-context").focus();
  }

  propose(text: string): void {
    this.#composer?.propose(text);
  }

  /** Goes to the context of this conversation. */
  async open(conversation: string): Promise<void> {
    try {
      this.choose((await this.#api.conversation(conversation)).context);
    } catch (error) {
      this.#failed(error);
    }
  }

  choose(context: string): void {
    localStorage.setItem(CONTEXT_KEY, context);
    this.#contexts.show(context);
    this.#composer?.setContext(context);
    this.#leave();
    const choice = this.#choice;
    this.#api.conversations(context).then(
      ({ results, engine }) => {
        if (choice !== this.#choice) return;
        this.#engine = engine;
        listPast(results, this.#page);
        const present = results.find((info) => info.isOpen);
        if (present) this.#follow(present.id);
        this.#draw();
      },
      (error: unknown) => choice === this.#choice && this.#failed(error),
    );
  }

  #leave(): void {
    this.#choice += 1;
    if (this.#present) this.#page.live.unfollow(`chat:${this.#present}`);
    this.#present = "";
    this.#conversation = null;
    this.#complain("");
    this.#draw();
  }

  #follow(id: string): void {
    if (this.#present === id) return;
    if (this.#present) this.#page.live.unfollow(`chat:${this.#present}`);
    this.#present = id;
    this.#page.live.follow(`chat:${id}`);
  }

  #show(state: ChatState): void {
    this.#engine = state.engine;
    // Somebody who reads an older one goes on reading it.
    if (this.#conversation && this.#conversation.info.id !== state.id) return;
    this.#conversation = new Conversation(state);
    this.#draw();
  }

  #apply(message: ChatServerMessage): void {
    if (message.type === "CHAT_CONVERSATION" && message.info.context === this.context) {
      // Begun or closed by somebody else: this page goes along.
      if (message.info.isOpen !== (message.info.id === this.#present)) this.choose(this.context);
      return;
    }
    const turn = this.#conversation?.apply(message);
    if (!turn) return;
    this.#thread.changed();
    if (message.type === "CHAT_ANALYSIS") setText(element("chat-said"), analysisNews(message.analysis, this.#page));
    if (message.type !== "CHAT_TURN") return;
    this.#draw();
    if (!isOpen(turn)) setText(element("chat-said"), this.#page.texts.say("chat.answered"));
    if (turn.engine && turn.engine !== this.#engine?.name) void this.#options();
  }

  async #say(text: string): Promise<void> {
    const { context } = this;
    const choice = this.#choice;
    const answer = await this.#talk.say(context, text);
    if (!answer.ok) {
      this.#composer?.refused(answer.reason);
      return;
    }
    this.#composer?.sent(context, text);
    if (choice !== this.#choice) return;
    this.#follow(answer.conversation);
    this.#thread.toEnd();
  }

  #clicked(event: Event): void {
    const pressed = event.target instanceof Element ? event.target.closest<HTMLButtonElement>("button") : null;
    if (!pressed) return;
    const { answer, retry, conversation, fix, goto } = pressed.dataset;
    const approval = pressed.closest<HTMLElement>("[data-approval]")?.dataset.approval;
    if (answer !== undefined && approval !== undefined) void this.#act(pressed, { type: "CHAT_ANSWER", approval, decision: answer === "approve" ? "approve" : "deny" });
    else if (fix !== undefined) void this.#fix(pressed, Number(fix));
    else if (goto !== undefined) this.#thread.goTo(goto);
    else if (retry !== undefined) void this.#act(pressed, { type: "CHAT_RETRY", turn: retry });
    else if (conversation !== undefined) void this.#read(conversation);
    else if (pressed.id === "chat-stop" && this.#conversation?.open) void this.#act(pressed, { type: "CHAT_STOP", turn: this.#conversation.open.id });
    else if (pressed.id === "chat-new") void this.#begin();
    else if (pressed.id === "chat-back") this.choose(this.context);
    else if (pressed.id === "chat-earlier") void this.#earlier();
  }

  /** The click only asks: what waits for an approval then is brought before the person. */
  async #fix(pressed: HTMLButtonElement, fix: number): Promise<void> {
    const turn = pressed.closest<HTMLElement>("[data-turn]")?.dataset.turn ?? "";
    const answer = await this.#act(pressed, { type: "CHAT_FIX", turn, fix });
    if (answer.ok) this.#thread.goTo(answer.turn);
  }

  async #act(pressed: HTMLButtonElement, request: Parameters<Talk["ask"]>[0]): Promise<Answer> {
    const group = pressed.closest(".approval-buttons")?.querySelectorAll("button") ?? [pressed];
    for (const one of group) one.disabled = true;
    const answer = await this.#talk.ask(request);
    for (const one of group) one.disabled = false;
    this.#complain(answer.ok ? "" : answer.reason);
    return answer;
  }

  async #begin(): Promise<void> {
    try {
      const state = await this.#api.open(this.context, true);
      if (state.context === this.context && state.id !== this.#present) this.choose(this.context);
    } catch (error) {
      this.#failed(error);
    }
  }

  async #read(id: string): Promise<void> {
    const choice = this.#choice;
    try {
      const state = await this.#api.conversation(id);
      if (choice !== this.#choice) return;
      this.#conversation = new Conversation(state);
      this.#draw();
      (this.#root.querySelector("#chat-past") as HTMLDetailsElement | null)?.removeAttribute("open");
    } catch (error) {
      this.#failed(error);
    }
  }

  async #earlier(): Promise<void> {
    const shown = this.#conversation;
    const first = shown?.inOrder[0];
    if (!shown || !first) return;
    try {
      const state = await this.#api.conversation(shown.info.id, first.number);
      shown.addOlder(state.turns, state.hasMore);
      this.#thread.changed();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #options(): Promise<string[]> {
    try {
      const { results, engine } = await this.#api.contexts();
      this.#engine = engine;
      this.#draw();
      return results;
    } catch (error) {
      this.#failed(error);
      return [EVERYTHING];
    }
  }

  #failed(error: unknown): void {
    const code = error instanceof RestError ? error.code : "unavailable";
    this.#complain(this.#talk.reasonOf(code, ""));
  }

  #complain(text: string): void {
    setText(element("chat-problem"), text);
    setHidden(element("chat-problem"), text === "");
  }

  #draw(): void {
    const shown = this.#conversation;
    const isPresent = shown === null || shown.info.id === this.#present;
    this.#thread.show(shown, this.#mayOperate && isPresent);
    setHidden(element("chat-empty"), shown !== null && shown.turns.size > 0);
    setHidden(element("chat-old"), isPresent);
    setHidden(element("chat-stop"), !isPresent || shown?.open == null);
    this.#composer?.setReadOnly(!isPresent);
    drawEngine(this.#engine, this.#page);
  }
}
