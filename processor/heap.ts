/**
 * A priority queue that gives its least item first. Adding and taking cost O(log n). Equal items come exactly in the order of
 * java.util.PriorityQueue.
 */
export class Heap<T> {
  readonly #items: T[] = []
  readonly #compare: (a: T, b: T) => number

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare
  }

  get size(): number {
    return this.#items.length
  }

  get least(): T | undefined {
    return this.#items[0]
  }

  add(item: T): void {
    const items = this.#items
    let at = items.push(item) - 1
    while (at > 0) {
      const up = (at - 1) >>> 1
      const parent = items[up] as T
      if (this.#compare(parent, item) <= 0) break
      items[at] = parent
      at = up
    }
    items[at] = item
  }

  take(): T | undefined {
    const items = this.#items
    const least = items[0]
    const last = items.pop()
    if (last === undefined || items.length === 0) return least
    let at = 0
    for (let down = 1; down < items.length; down = 2 * at + 1) {
      const right = down + 1
      const lesser = right < items.length && this.#compare(items[right] as T, items[down] as T) < 0 ? right : down
      const child = items[lesser] as T
      if (this.#compare(last, child) <= 0) break
      items[at] = child
      at = lesser
    }
    items[at] = last
    return least
  }
}
