/** Which agents there are, as far as sessions need to know; the registry of agents stands behind it. */
export abstract class AgentNames {
  /** @throws AppError `invalid_request`, with the names that are known. */
  abstract check(name: string): void;
}
