/** The chat panel of every page: its context, its conversation, and the person's actions. */
import { element, type Page } from "../app/page";
import { RestError } from "../app/rest";
import type { ChatServerMessage, ChatState, EngineStatus } from "../live/messages";
import { setHidden, setText } from "../tables/cells";
import { analysisNews } from "./analysis-view";
import { ChatApi } from "./api";
import { wireButtons } from "./buttons";
import { ContextBox } from "./combobox";
import { Composer } from "./composer";
import { contextExists, EVERYTHING } from "./contexts";
import { Conversation, isOpen } from "./conversation";
import { need } from "./dom";
import { drawBegin, drawEngine, listPast, showError } from "./head";
import { Loading } from "./loading";
import { ChatRequests } from "./requests";
import { ThreadView } from "./thread-view";

const CONTEXT_KEY = "agentflow.chat.context";
const MESSAGES = [
  "CHAT_TURN",
  "CHAT_STEP",
  "CHAT_RESPONSE",
  "CHAT_ANALYSIS",
  "CHAT_CONVERSATION",
  "CHAT_DELTA",
  "CHAT_RETRYING",
] as const;

export class ChatPanel {
  readonly #page: Page;
  readonly #root: HTMLElement;
  readonly #api: ChatApi;
  readonly #requests: ChatRequests;
  readonly #composer: Composer | null;
  readonly #contexts: ContextBox;
  readonly #thread: ThreadView;
  readonly #loading: Loading;
  readonly #mayOperate = document.body.classList.contains("may-operate");
  #conversation: Conversation | null = null;
  /** The context's open conversation; empty = none yet. */
  #present = "";
  /** An older conversation that is shown instead; empty = none. */
  #reading = "";
  /** The context's project or node no longer exists. */
  #isGone = false;
  #engine: EngineStatus | null = null;
  /** Counts selections, to ignore responses of earlier ones. */
  #choice = 0;

  constructor(page: Page, root: HTMLElement) {
    this.#page = page;
    this.#root = root;
    this.#api = new ChatApi(page.settings.urls.chat);
    this.#requests = new ChatRequests(page, this.#api);
    const form = element<HTMLFormElement>("chat-form");
    this.#composer = form ? new Composer(page, form, (text) => void this.#sendMessage(text)) : null;
    this.#loading = new Loading(page, this.#requests);
    this.#thread = new ThreadView(page, need(root, "#chat-turns"), element("chat-earlier"));
    this.#contexts = ContextBox.wire(
      page,
      root,
      () => this.#options(),
      (context) => this.choose(context),
    );
    for (const type of MESSAGES) page.live.on(type, (message: ChatServerMessage) => this.#apply(message));
    page.live.on("SNAPSHOT", (snapshot) => {
      for (const state of snapshot.chats ?? []) if (state.id === this.#present) this.#show(state);
    });
    page.fleet.onReplace("nodes", () => this.#draw());
    page.fleet.onChange("nodes", () => this.#isGone && this.#draw());
    wireButtons({
      root,
      requests: this.#requests,
      showError,
      goTo: (turn) => this.#thread.goTo(turn),
      read: (conversation) => void this.#read(conversation),
      open: () => this.#conversation?.open?.id,
      begin: () => void this.#begin(),
      back: () => this.choose(this.context),
      earlier: () => void this.#earlier(),
    });
    this.choose(localStorage.getItem(CONTEXT_KEY) ?? EVERYTHING);
  }

  get context(): string {
    return this.#contexts.value;
  }

  /** Whether the panel shows this conversation. */
  shows(conversation: string): boolean {
    return this.#conversation?.info.id === conversation;
  }

  /** Whether the panel shows an analysis of this alert. */
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

  /** Switches to the conversation's context. */
  open(conversation: string): void {
    this.#leave();
    void this.#load(
      this.#api.conversation(conversation),
      () => this.open(conversation),
      ({ context }) => this.choose(context),
    );
  }

  choose(context: string): void {
    localStorage.setItem(CONTEXT_KEY, context);
    this.#contexts.show(context);
    this.#composer?.setContext(context);
    this.#leave();
    void this.#load(
      this.#api.conversations(context),
      () => this.choose(context),
      ({ results, engine }) => {
        this.#engine = engine;
        listPast(results, this.#page);
        const present = results.find((info) => info.isOpen);
        if (present) this.#follow(present.id);
        else this.#loading.done();
      },
    );
  }

  /** `again`: retries after a failure. Ignores responses after another selection. */
  async #load<T>(asked: Promise<T>, again: () => void, take: (answer: T) => void): Promise<void> {
    const choice = this.#choice;
    this.#loading.begin(again);
    this.#draw();
    try {
      const answer = await asked;
      if (choice === this.#choice) take(answer);
    } catch (error) {
      if (choice === this.#choice) this.#loading.failed(error);
    }
    this.#draw();
  }

  #leave(): void {
    this.#choice += 1;
    if (this.#present) this.#page.live.unfollow(`chat:${this.#present}`);
    this.#present = this.#reading = "";
    this.#conversation = null;
    listPast([], this.#page);
    showError("");
  }

  #follow(id: string): void {
    if (this.#present === id) return;
    if (this.#present) this.#page.live.unfollow(`chat:${this.#present}`);
    this.#present = id;
    this.#loading.begin(() => this.choose(this.context));
    this.#page.live.follow(`chat:${id}`);
    this.#draw();
  }

  #show(state: ChatState): void {
    this.#engine = state.engine;
    // Stay at an older conversation.
    if (this.#reading !== "" && this.#reading !== state.id) return;
    this.#conversation = new Conversation(state, this.#page.settings.labels);
    this.#loading.done();
    this.#draw();
  }

  #apply(message: ChatServerMessage): void {
    if (message.type === "CHAT_CONVERSATION" && message.info.context === this.context) {
      // Opened or closed by someone else: follow.
      if (message.info.isOpen !== (message.info.id === this.#present)) this.choose(this.context);
      return;
    }
    const turn = this.#conversation?.apply(message);
    if (!turn) return;
    this.#thread.changed();
    if (message.type === "CHAT_ANALYSIS") setText(element("chat-said"), analysisNews(message.analysis, this.#page));
    if (message.type !== "CHAT_TURN") return;
    this.#draw();
    if (!isOpen(turn, this.#page.settings.labels)) setText(element("chat-said"), this.#page.texts.get("chat.answered"));
    if (turn.engine && turn.engine !== this.#engine?.name) void this.#options();
  }

  async #sendMessage(text: string): Promise<void> {
    const { context } = this;
    const choice = this.#choice;
    const answer = await this.#requests.sendMessage(context, text);
    if (!answer.ok) {
      this.#composer?.refused(answer.reason);
      return;
    }
    this.#composer?.sent(context, text);
    if (choice !== this.#choice) return;
    this.#follow(answer.conversation);
    this.#thread.toEnd();
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
    element("chat-past")?.removeAttribute("open");
    this.#choice += 1;
    this.#conversation = null;
    this.#reading = id;
    await this.#load(
      this.#api.conversation(id),
      () => void this.#read(id),
      (state) => {
        this.#conversation = new Conversation(state, this.#page.settings.labels);
        this.#loading.done();
      },
    );
  }

  async #earlier(): Promise<void> {
    const shown = this.#conversation;
    const first = shown?.inOrder[0];
    const button = element<HTMLButtonElement>("chat-earlier");
    if (!shown || !first || !button) return;
    button.disabled = true;
    try {
      const state = await this.#api.conversation(shown.info.id, first.number);
      shown.addOlder(state.turns, state.hasMore);
      this.#thread.changed();
    } catch (error) {
      this.#failed(error);
    }
    button.disabled = false;
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
    showError(this.#requests.reasonOf(code, ""));
  }

  #draw(): void {
    const shown = this.#conversation;
    const isPresent = this.#reading === "" || this.#reading === this.#present;
    const isGone = !contextExists(this.context, this.#page.fleet.nodes);
    this.#isGone = isGone;
    this.#thread.show(shown, this.#mayOperate && isPresent);
    setHidden(element("chat-empty"), !this.#loading.isHere || (shown !== null && shown.turns.size > 0));
    setHidden(element("chat-old"), isPresent);
    setHidden(element("chat-gone"), !isGone);
    setHidden(element("chat-stop"), !isPresent || shown?.open == null);
    // A context without a conversation needs a new one, which is impossible if its project or node is gone.
    this.#composer?.setReadOnly(!isPresent || (isGone && this.#present === ""));
    drawBegin(isGone ? "no-such-context" : isPresent && shown?.open ? "busy" : "", this.#page);
    drawEngine(this.#engine, this.#page);
  }
}
