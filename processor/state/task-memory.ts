import { WaggleError } from '../../topology/waggle-error.ts'
import { nameCode } from './name-code.ts'

/** A number that is kept with the task's position: back after a crash as the last commit had it; -1 at first. */
export interface KeptNumber {
  value: number
}

/**
 * What it costs to go on without a number, where a position has no room for all of them: nothing may be missing (`needed`), a restart
 * elsewhere forgets as much as one of Kafka Streams does (`forgettable`), or it is learnt from a changelog (`learnt`).
 */
export type Worth = 'needed' | 'forgettable' | 'learnt'

export type KeptValue = readonly [name: string, value: number, worth: Worth]

/** What a task and its stores know together. */
export class TaskMemory {
  /** The time of the record in hand. */
  now = -1
  readonly #numbers = new Map<string, KeptNumber & { readonly worth: Worth }>()
  /** By their names' codes: what earlier commits wrote down. */
  readonly #before = new Map<number, number>()
  readonly #names = new Map<number, string>()

  /** `before` is what earlier commits wrote down, by name or its code; of one that several did, the highest counts. */
  constructor(before: readonly (readonly [name: string | number, value: number, ...more: readonly unknown[]])[] = []) {
    for (const [name, value] of before) {
      const code = typeof name === 'number' ? name : nameCode(name)
      this.#before.set(code, Math.max(value, this.#before.get(code) ?? -1))
    }
  }

  /** What is known from elsewhere, of a number that no commit wrote down. */
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

  /** Numbers that it keeps, or will, and that nothing may be without. */
  get needed(): number {
    let needed = 0
    for (const { worth } of this.#numbers.values()) if (worth === 'needed') needed++
    return needed
  }
}

/** Of one memory, at two times. */
export function sameNumbers(some: TaskMemory['numbers'], others: TaskMemory['numbers']): boolean {
  return some.length === others.length && some.every(([name, value], at) => name === others[at]?.[0] && value === others[at]?.[1])
}

function alike(name: string, other: string): WaggleError {
  return new WaggleError('WAGGLE_NAMES_ALIKE', {
    message: `The numbers ${name} and ${other} of one task have the same code, so a position cannot tell them apart`,
    next: 'Give one of the two nodes or stores another name.',
  })
}
