import { AppError } from '../errors/app-error.js';
import type { AgentProfile } from './agent-profile.js';
import { DEFAULT_AGENT, DEFAULT_PROFILES } from './default-profiles.js';
import { problemOf } from './profile-check.js';

/** The agents of this application, by name: those of every server, and those that it registers itself. */
export class Agents {
  private readonly profiles = new Map(DEFAULT_PROFILES.map((profile) => [profile.name, profile]));
  /** Where each registered profile is declared. */
  private readonly places = new Map<string, string>();

  /**
   * Adds a profile; one with the name of a default takes its place. `place` says where it is declared, for people.
   * @throws Error when it is malformed, or when its name was registered before: with both places.
   */
  register(profile: AgentProfile, place: string): void {
    const problem = problemOf(profile);
    if (problem !== undefined)
      throw new Error(`The agent ${JSON.stringify(profile.name)} of ${place} cannot be used: ${problem}.`);
    const { name } = profile;
    const other = this.places.get(name);
    if (other !== undefined) {
      throw new Error(`Two agents are named "${name}": ${other} and ${place}. Rename one of them.`);
    }
    this.places.set(name, place);
    this.profiles.set(name, profile);
  }

  /**
   * The agent of that name; null: the default.
   * @throws AppError `invalid_request`, which lists the names that are known. Nothing else stands in: it could do more.
   */
  find(name: string | null): AgentProfile {
    const profile = this.profiles.get(name ?? DEFAULT_AGENT);
    if (profile !== undefined) return profile;
    const known = this.list().map((each) => each.name);
    throw new AppError(
      'invalid_request',
      `There is no agent ${JSON.stringify(name)} here. Known: ${known.join(', ')}.`,
    );
  }

  /** Throws as `find` does. */
  check(name: string): void {
    this.find(name);
  }

  get default(): AgentProfile {
    return this.find(null);
  }

  /** All of them, by name. */
  list(): AgentProfile[] {
    return [...this.profiles.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }
}
