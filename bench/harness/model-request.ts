/** What every candidate asks the model, with the user's message in it. */
export function modelRequest(content: string) {
  return {
    model: 'claude-opus-5-5',
    max_tokens: 16_000,
    messages: [{ role: 'user' as const, content }],
  };
}
