/**
 * Items of several kinds to spread evenly over bins. An item is a task or a copy of a task, its kind is a sub-topology, and a bin is a process or a
 * thread.
 */
export interface Placing {
  /** The share of each bin. On a tie the first bin wins. */
  readonly weights: readonly number[]
  /** The load of each bin without these items. */
  readonly base: readonly number[]
  /** The kind of each item, and its current bin or null. */
  readonly items: readonly { readonly kind: number; readonly bin: number | null }[]
  /** True if the bin may take the item. `bins` has the current bin of each item. */
  mayHold(item: number, bin: number, bins: readonly (number | null)[]): boolean
  /** Lower costs are preferred. */
  cost(item: number, bin: number): number
}

export interface Placed {
  /** The bin of each item before balancing: its current bin, or else the cheapest bin. Null if no bin may hold it. */
  readonly first: readonly (number | null)[]
  readonly even: readonly (number | null)[]
}

/**
 * Moves as few items as possible, until no single move makes the bins more even. Three things are evened, the most important first: the number of
 * these items in each bin, the whole load of each bin, and the number of items of each kind in each bin.
 *
 * The measure is the sum of count²/weight in whole numbers. Each step lowers the measure, so the steps end. Costs only choose between possible steps.
 * So a balanced placement stays unchanged when costs change.
 */
export function placeEvenly(placing: Placing): Placed {
  const board = new Board(placing)
  board.placeLoose()
  const first = [...board.bins]
  while (board.evenCounts() || board.evenTotals() || board.evenKinds());
  return { first, even: board.bins }
}

class Board {
  readonly bins: (number | null)[]
  readonly #placing: Placing
  readonly #counts: number[]
  readonly #totals: number[]
  /** The number of items of each kind in each bin: for each kind a list by bin. */
  readonly #kinds = new Map<number, number[]>()
  readonly #itemsIn: Set<number>[]

  constructor(placing: Placing) {
    const { weights, base, items } = placing
    this.#placing = placing
    this.#counts = weights.map(() => 0)
    this.#totals = [...base]
    this.#itemsIn = weights.map(() => new Set())
    this.bins = items.map(() => null)
    for (const { kind } of items) if (!this.#kinds.has(kind)) this.#kinds.set(kind, weights.map(zero))
    for (const [item, { bin }] of items.entries()) if (bin !== null) this.#put(item, bin)
  }

  /** Places the items without a bin. Items with the fewest possible bins go first. */
  placeLoose(): void {
    const loose = this.bins.flatMap((bin, item) => (bin === null ? [{ item, choices: this.#holdersOf(item).length }] : []))
    for (const { item } of loose.sort((a, b) => a.choices - b.choices || a.item - b.item)) {
      let best: { readonly bin: number; readonly rank: readonly number[] } | null = null
      const kinds = this.#kindOf(item)
      for (const bin of this.#holdersOf(item)) {
        const load = (counts: readonly number[]) => (at(counts, bin) + 1) / this.#weight(bin)
        const rank = [this.#placing.cost(item, bin), load(this.#counts), load(this.#totals), load(kinds)]
        if (best === null || isBefore(rank, best.rank)) best = { bin, rank }
      }
      if (best !== null) this.#put(item, best.bin)
    }
  }

  evenCounts(): boolean {
    return this.#even(this.#counts, () => true)
  }

  /** Balances the whole loads, and keeps the counts of items as even as they are. */
  evenTotals(): boolean {
    return this.#even(this.#totals, (from, to) => this.#change(this.#counts, from, to) <= 0)
  }

  /**
   * Balances the kinds, and keeps counts and whole loads as even as they are. If a move would make these less even, an item of another kind moves
   * back in exchange.
   */
  evenKinds(): boolean {
    let moved = false
    for (const counts of this.#kinds.values()) while (this.#evenKind(counts)) moved = true
    return moved
  }

  #even(loads: readonly number[], isAllowed: (from: number, to: number) => boolean): boolean {
    let best: { readonly to: number; readonly move: Move; readonly loads: readonly number[] } | null = null
    for (const [from, to] of this.#unevenPairs(loads)) {
      const pair = [to, at(loads, from) / this.#weight(from), at(this.#totals, from) / this.#weight(from)]
      // Among equally full bins, the item with the best rank moves.
      if (best !== null && pair.some((one, index) => one !== best?.loads[index])) break
      const move = isAllowed(from, to) ? this.#bestToMove(from, to, () => true) : null
      if (move !== null && (best === null || isBefore(move.rank, best.move.rank))) best = { to, move, loads: pair }
    }
    if (best === null) return false
    this.#move(best.move.item, best.to)
    return true
  }

  #evenKind(counts: readonly number[]): boolean {
    for (const [from, to] of this.#unevenPairs(counts)) {
      const item = this.#bestToMove(from, to, (one) => this.#kindOf(one) === counts)
      if (item === null) continue
      if (this.#change(this.#counts, from, to) <= 0 && this.#change(this.#totals, from, to) <= 0) {
        this.#move(item.item, to)
        return true
      }
      const gain = this.#change(counts, from, to)
      const back = this.#bestToMove(to, from, (one) => {
        const others = this.#kindOf(one)
        return others !== counts && this.#change(others, to, from) + gain < 0
      })
      if (back === null) continue
      this.#move(item.item, to)
      this.#move(back.item, from)
      return true
    }
    return false
  }

  /** Pairs of bins between which a move would make the loads more even, the fullest and the emptiest bin first. */
  *#unevenPairs(loads: readonly number[]): Iterable<readonly [from: number, to: number]> {
    const bins = loads.map((_, bin) => bin)
    const without = (bin: number) => (2 * at(loads, bin) - 1) / this.#weight(bin)
    const withOneMore = (bin: number) => (2 * at(loads, bin) + 1) / this.#weight(bin)
    const total = (bin: number) => at(this.#totals, bin) / this.#weight(bin)
    const givers = bins.toSorted((a, b) => without(b) - without(a) || total(b) - total(a) || b - a)
    for (const to of bins.sort((a, b) => withOneMore(a) - withOneMore(b) || total(a) - total(b) || a - b)) {
      for (const from of givers) {
        if (this.#change(loads, from, to) >= 0) break
        yield [from, to]
      }
    }
  }

  /** Chooses the item to move. Items that keep the kinds as even as they are come first, then cheaper items, then items that even the kinds most. */
  #bestToMove(from: number, to: number, isMeant: (item: number) => boolean): Move | null {
    let best: Move | null = null
    for (const item of this.#itemsIn[from] ?? []) {
      if (!isMeant(item) || !this.#placing.mayHold(item, to, this.bins)) continue
      const change = this.#change(this.#kindOf(item), from, to)
      const rank = [change > 0 ? 1 : 0, this.#placing.cost(item, to), change, item]
      if (best === null || isBefore(rank, best.rank)) best = { item, rank }
    }
    return best
  }

  /**
   * The change of the sum of count²/weight, multiplied by both weights, if one item moves from one bin to the other. A negative change is more even.
   */
  #change(counts: readonly number[], from: number, to: number): number {
    return (1 - 2 * at(counts, from)) * this.#weight(to) + (2 * at(counts, to) + 1) * this.#weight(from)
  }

  #move(item: number, to: number): void {
    const from = this.bins[item]
    if (from !== null && from !== undefined) {
      this.#itemsIn[from]?.delete(item)
      this.#add(item, from, -1)
    }
    this.#put(item, to)
  }

  #put(item: number, bin: number): void {
    this.bins[item] = bin
    this.#itemsIn[bin]?.add(item)
    this.#add(item, bin, 1)
  }

  #add(item: number, bin: number, count: number): void {
    for (const counts of [this.#counts, this.#totals, this.#kindOf(item)]) counts[bin] = at(counts, bin) + count
  }

  #holdersOf(item: number): readonly number[] {
    return this.#counts.flatMap((_, bin) => (this.#placing.mayHold(item, bin, this.bins) ? [bin] : []))
  }

  #kindOf(item: number): number[] {
    return this.#kinds.get(this.#placing.items[item]?.kind ?? -1) ?? []
  }

  #weight(bin: number): number {
    return at(this.#placing.weights, bin)
  }
}

interface Move {
  readonly item: number
  /** The lower rank is better. The first number that differs decides. */
  readonly rank: readonly number[]
}

function isBefore(a: readonly number[], b: readonly number[]): boolean {
  for (const [index, one] of a.entries()) {
    const other = at(b, index)
    if (one !== other) return one < other
  }
  return false
}

function at(numbers: readonly number[], index: number): number {
  return numbers[index] ?? 0
}

function zero(): number {
  return 0
}
