import type { Secrets } from '../../topology/swarm/ports/secrets.ts'
import type { Secret } from '../../topology/swarm/secrets/secret.ts'

/** Secrets from several places. For each name, the first place that has the secret counts. */
export class ChainedSecrets implements Secrets {
  readonly #places: readonly Secrets[]

  constructor(places: readonly Secrets[]) {
    this.#places = places
  }

  find(name: string): Secret | null {
    for (const place of this.#places) {
      const secret = place.find(name)
      if (secret !== null) return secret
    }
    return null
  }

  names(): readonly string[] {
    return [...new Set(this.#places.flatMap((place) => place.names()))]
  }

  howToSet(name: string): string {
    return this.#places.map((place) => place.howToSet(name)).join(', or ')
  }
}
