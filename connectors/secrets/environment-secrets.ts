import { ownMember } from '../../topology/own-member.ts'
import type { Secrets } from '../../topology/swarm/ports/secrets.ts'
import { Secret } from '../../topology/swarm/secrets/secret.ts'

/** Secrets from environment variables with names `WAGGLE_SECRET_<NAME>`. */
export class EnvironmentSecrets implements Secrets {
  readonly #env: { readonly [variable: string]: string | undefined }

  constructor(env: { readonly [variable: string]: string | undefined }) {
    this.#env = env
  }

  find(name: string): Secret | null {
    const value = ownMember(this.#env, `${prefix}${name}`)
    return value === undefined ? null : new Secret(value)
  }

  names(): readonly string[] {
    return Object.keys(this.#env).flatMap((variable) => (variable.startsWith(prefix) ? [variable.slice(prefix.length)] : []))
  }

  howToSet(name: string): string {
    return `Set ${prefix}${name}`
  }
}

const prefix = 'WAGGLE_SECRET_'
