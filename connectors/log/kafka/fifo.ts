/** First in, first out, without moving what waits. */
export class Fifo<T> {
  #items: T[] = []
  #at = 0

  get isEmpty(): boolean {
    return this.#at === this.#items.length
  }

  get head(): T | undefined {
    return this.#items[this.#at]
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): T | undefined {
    const item = this.#items[this.#at]
    if (item === undefined) return undefined
    this.#at++
    if (this.#at === this.#items.length) this.clear()
    else if (this.#at > 64 && this.#at * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#at)
      this.#at = 0
    }
    return item
  }

  clear(): void {
    this.#items = []
    this.#at = 0
  }
}
