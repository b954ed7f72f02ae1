import { WaggleError } from '../../topology/waggle-error.ts'
import { nameCode } from './name-code.ts'

/** A number that is stored with the task's position. After a crash the number has the value of the last commit; -1 at first. */
export interface KeptNumber {
  value: number
}

/**
 * The cost of losing a number, if a position has no room for all numbers. `needed`: the number must not be lost. `forgettable`: the number may be
 * lost when the task moves, as in Kafka Streams. `learnt`: a changelog has the number too.
 */
export type Worth = 'needed' | 'forgettable' | 'learnt'

export type KeptValue = readonly [name: string, value: number, worth: Worth]

/** Values that a task shares with its stores. */
export class TaskMemory {
  /** The time of the current record. */
  now = -1
  readonly #numbers = new Map<string, KeptNumber & { readonly worth: Worth }>()
  /** Numbers of earlier commits, by the codes of their names. */
  readonly #before = new Map<number, number>()
  readonly #names = new Map<number, string>()

  /** `before`: numbers of earlier commits, by name or by code. If several commits have a number, the highest counts. */
  constructor(before: readonly (readonly [name: string | number, value: number, ...more: readonly unknown[]])[] = []) {
    for (const [name, value] of before) {
      const code = typeof name === 'number' ? name : nameCode(name)
      this.#before.set(code, Math.max(value, this.#before.get(code) ?? -1))
    }
  }

  /** Adds a number from another source, such as a changelog. A committed number stays. */
  learn(name: string, value: number): void {
    const code = nameCode(name)
    if (!this.#before.has(code)) this.#before.set(code, value)
  }

  kept(name: string, worth: Worth = 'needed'): KeptNumber {
    const there = this.#numbers.get(name)
    if (there !== undefined) return there
    const code = nameCode(name)
    const other = this.#names.get(code)
    if (other !== undefined) throw alike(name, other)
    this.#names.set(code, name)
    const number = { value: this.#before.get(code) ?? -1, worth }
    this.#numbers.set(name, number)
    return number
  }

  get numbers(): readonly KeptValue[] {
    return [...this.#numbers].filter(([, { value }]) => value !== -1).map(([name, { value, worth }]) => [name, value, worth] as const)
  }

  /** The count of `needed` numbers, with or without a value. */
  get needed(): number {
    let needed = 0
    for (const { worth } of this.#numbers.values()) if (worth === 'needed') needed++
    return needed
  }
}

/** Compares the numbers of one memory at two times. */
export function sameNumbers(some: TaskMemory['numbers'], others: TaskMemory['numbers']): boolean {
  return some.length === others.length && some.every(([name, value], at) => name === others[at]?.[0] && value === others[at]?.[1])
}

function alike(name: string, other: string): WaggleError {
  return new WaggleError('WAGGLE_NAMES_ALIKE', {
    message: `The numbers ${name} and ${other} of one task have the same code, so a position cannot tell them apart`,
    next: 'Give one of the two nodes or stores another name.',
  })
}
