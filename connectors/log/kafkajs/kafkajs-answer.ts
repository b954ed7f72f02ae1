import { BrokerError } from '../kafka/cluster/broker-error.ts'

/** An untyped response from kafkajs. Throws when a field is read that has another type. */
export class KafkaJsAnswer {
  readonly #fields: Readonly<Record<string, unknown>>

  constructor(of: Readonly<Record<string, unknown>>) {
    this.#fields = of
  }

  number(name: string): number {
    return this.maybeNumber(name) ?? this.#wrong(name)
  }

  maybeNumber(name: string): number | null {
    const value = this.#fields[name]
    return typeof value === 'number' ? value : null
  }

  text(name: string): string {
    return this.maybeText(name) ?? this.#wrong(name)
  }

  maybeText(name: string): string | null {
    const value = this.#fields[name]
    return typeof value === 'string' ? value : null
  }

  flag(name: string): boolean {
    return this.#fields[name] === true
  }

  bytes(name: string): Buffer {
    const value = this.#fields[name]
    return Buffer.isBuffer(value) ? value : this.#wrong(name)
  }

  one(name: string): KafkaJsAnswer {
    return fields(this.#fields[name]) ?? this.#wrong(name)
  }

  list(name: string): readonly KafkaJsAnswer[] {
    const value = this.#fields[name]
    if (!Array.isArray(value)) return this.#wrong(name)
    return value.map((one) => fields(one) ?? this.#wrong(name))
  }

  count(name: string): number {
    const value = this.#fields[name]
    return Array.isArray(value) ? value.length : this.#wrong(name)
  }

  #wrong(name: string): never {
    throw new BrokerError('CORRUPT_ANSWER', `it has no ${name}`)
  }
}

export function fields(value: unknown): KafkaJsAnswer | null {
  return typeof value === 'object' && value !== null ? new KafkaJsAnswer({ ...value }) : null
}
