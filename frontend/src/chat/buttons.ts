/** The actions of the panel's buttons. */

import type { Answer, ChatRequests } from "./requests";

export interface ButtonParts {
  root: HTMLElement;
  requests: ChatRequests;
  showError: (text: string) => void;
  goTo: (turn: string) => void;
  read: (conversation: string) => void;
  /** The turn that can be stopped. */
  open: () => string | undefined;
  begin: () => void;
  back: () => void;
  earlier: () => void;
}

export function wireButtons(parts: ButtonParts): void {
  parts.root.addEventListener("click", (event) => {
    const pressed = event.target instanceof Element ? event.target.closest<HTMLButtonElement>("button") : null;
    if (pressed) press(pressed, parts);
  });
}

function press(pressed: HTMLButtonElement, parts: ButtonParts): void {
  const { answer, retry, conversation, fix, goto } = pressed.dataset;
  const card = pressed.closest<HTMLElement>("[data-approval]")?.dataset;
  const approval = card?.approval;
  const open = parts.open();
  if (answer !== undefined && approval !== undefined)
    void act(
      pressed,
      {
        type: "CHAT_ANSWER",
        approval,
        decision: answer === "approve" ? "approve" : "deny",
        seen: card?.digest ?? "",
      },
      parts,
    );
  else if (fix !== undefined) void ask(pressed, Number(fix), parts);
  else if (goto !== undefined) parts.goTo(goto);
  else if (retry !== undefined) void act(pressed, { type: "CHAT_RETRY", turn: retry }, parts);
  else if (conversation !== undefined) parts.read(conversation);
  else if (pressed.id === "chat-stop" && open !== undefined)
    void act(pressed, { type: "CHAT_STOP", turn: open }, parts);
  else if (pressed.id === "chat-new") parts.begin();
  else if (pressed.id === "chat-back") parts.back();
  else if (pressed.id === "chat-earlier") parts.earlier();
}

/** Requests the fix, then focuses the approval that it needs. */
async function ask(pressed: HTMLButtonElement, fix: number, parts: ButtonParts): Promise<void> {
  const turn = pressed.closest<HTMLElement>("[data-turn]")?.dataset.turn ?? "";
  const answer = await act(pressed, { type: "CHAT_FIX", turn, fix, seen: pressed.dataset.digest ?? "" }, parts);
  if (answer.ok) parts.goTo(answer.turn);
}

async function act(
  pressed: HTMLButtonElement,
  request: Parameters<ChatRequests["send"]>[0],
  { requests, showError }: ButtonParts,
): Promise<Answer> {
  const group = pressed.closest(".approval-buttons")?.querySelectorAll("button") ?? [pressed];
  for (const one of group) one.disabled = true;
  const answer = await requests.send(request);
  for (const one of group) one.disabled = false;
  showError(answer.ok ? "" : answer.reason);
  return answer;
}
