export interface DecodeBudgetOptions {
  /** A picture that takes more bytes than this counts as heavy. */
  readonly heavyBytes: number
  readonly lightBudgetBytes: number
  readonly heavyBudgetBytes: number
}

/**
 * Limits the memory of pictures that are decoded at the same time. Heavy pictures have a separate budget, so that light pictures never wait for heavy
 * pictures.
 */
export class DecodeBudget {
  readonly #heavyBytes: number
  readonly #light: Lane
  readonly #heavy: Lane

  constructor({ heavyBytes, lightBudgetBytes, heavyBudgetBytes }: DecodeBudgetOptions) {
    this.#heavyBytes = heavyBytes
    this.#light = new Lane(lightBudgetBytes)
    this.#heavy = new Lane(heavyBudgetBytes)
  }

  /** Runs `decode` as soon as enough bytes of the budget are free. A picture that is larger than the whole budget runs alone. */
  run<T>(bytes: number, decode: () => Promise<T>): Promise<T> {
    return (bytes > this.#heavyBytes ? this.#heavy : this.#light).run(bytes, decode)
  }
}

/** One budget. Pictures get memory in the order of their arrival. */
class Lane {
  #freeBytes: number
  readonly #budgetBytes: number
  readonly #waiting: { readonly bytes: number; readonly begin: () => void }[] = []

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes
    this.#freeBytes = budgetBytes
  }

  async run<T>(bytes: number, decode: () => Promise<T>): Promise<T> {
    const taken = Math.min(bytes, this.#budgetBytes)
    await new Promise<void>((begin) => {
      this.#waiting.push({ bytes: taken, begin })
      this.#admit()
    })
    try {
      return await decode()
    } finally {
      this.#freeBytes += taken
      this.#admit()
    }
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined && next.bytes <= this.#freeBytes; next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#freeBytes -= next.bytes
      next.begin()
    }
  }
}
