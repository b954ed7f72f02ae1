/** A number that is kept with the task's position: back after a crash as the last commit had it; -1 at first. */
export interface KeptNumber {
  value: number
}

/** What a task and its stores know together. */
export class TaskMemory {
  /** The time of the record in hand. */
  now = -1
  readonly #numbers = new Map<string, KeptNumber>()

  /** `kept` is what earlier commits wrote down, by name; of one that several did, the highest counts. */
  constructor(kept: readonly (readonly [name: string, value: number])[] = []) {
    for (const [name, value] of kept) {
      const number = this.kept(name)
      if (value > number.value) number.value = value
    }
  }

  kept(name: string): KeptNumber {
    const there = this.#numbers.get(name)
    if (there !== undefined) return there
    const number = { value: -1 }
    this.#numbers.set(name, number)
    return number
  }

  get numbers(): readonly (readonly [name: string, value: number])[] {
    return [...this.#numbers].filter(([, { value }]) => value !== -1).map(([name, { value }]) => [name, value] as const)
  }
}

/** Of one memory, at two times. */
export function sameNumbers(some: TaskMemory['numbers'], others: TaskMemory['numbers']): boolean {
  return some.length === others.length && some.every(([name, value], at) => name === others[at]?.[0] && value === others[at]?.[1])
}
