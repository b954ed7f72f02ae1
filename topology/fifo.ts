/** A queue, first in, first out. Taking an item moves no other item. The queue keeps no reference to a taken item. */
export class Fifo<T> {
  #items: (T | undefined)[]
  #first = 0

  constructor(items: readonly T[] = []) {
    this.#items = [...items]
  }

  get size(): number {
    return this.#items.length - this.#first
  }

  get isEmpty(): boolean {
    return this.#first === this.#items.length
  }

  /** The oldest item. */
  get head(): T | undefined {
    return this.#items[this.#first]
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** Puts these items in front of all items of the queue, in the given order. */
  putBack(items: readonly T[]): void {
    this.#items = [...items, ...this.#items.slice(this.#first)]
    this.#first = 0
  }

  shift(): T | undefined {
    const item = this.#items[this.#first]
    if (this.#first === this.#items.length) return undefined
    this.#items[this.#first++] = undefined
    if (this.#first === this.#items.length) this.clear()
    else if (this.#first > 1024 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first)
      this.#first = 0
    }
    return item
  }

  clear(): void {
    this.#items.length = 0
    this.#first = 0
  }

  some(test: (item: T) => boolean): boolean {
    for (let at = this.#first; at < this.#items.length; at++) if (test(this.#items[at] as T)) return true
    return false
  }

  /** Iterates from the oldest item to the newest. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (let at = this.#first; at < this.#items.length; at++) yield this.#items[at] as T
  }
}
