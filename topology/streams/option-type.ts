import { validName } from './valid-name.ts'

/** The base of the classes for an operator's options: a name, serdes, a store. Each kind has its own class, as in Kafka Streams. */
export abstract class Typed<T> {
  declare private readonly types: T
}

/** The name among an operator's options; null if there is none. */
export function nameIn({ name }: { readonly name?: string }): string | null {
  return name === undefined ? null : validName(name)
}
