import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A loss in a table: numbers of blocks that no part contains. */
interface Loss {
  /** The folder of the part that ClickHouse set aside, or the numbers of the lost blocks. */
  readonly name: string
  /** The first and last lost block number; null once a new part uses these numbers, because part names then no longer show the gap. */
  readonly blocks: Blocks | null
  /** The swarms that have already written the lost rows again. */
  readonly doneFor: readonly string[]
}

type Blocks = readonly [first: number, last: number]

/** A repair of one partition that wrote no row. The repair read the records after the last row again, and none of those records needs a row. */
interface ReadAgain {
  /** The offset after the last saved record at the time of the repair. */
  readonly next: number
  /** The offset up to which the repair read records again. */
  readonly position: number
}

interface Table {
  readonly losses: readonly Loss[]
  readonly readAgain: { readonly [place: string]: ReadAgain }
}

/**
 * Finds lost parts of the tables of an embedded ClickHouse, and remembers which losses are repaired. Each insert is a block with the next number,
 * starting at 1. A part's name contains its block numbers: `all_4_9_1` has blocks 4 to 9. A part is lost if its numbers are in no part, or if
 * ClickHouse has set it aside as broken.
 *
 * The file `repairs.json` is in the directory of the tables, so that a backup or a deletion includes it.
 */
export class Repairs {
  readonly #directory: string
  /** The tables, by the name of the folder with their rows. */
  readonly #tables: Map<string, Table>

  /**
   * Must be called before the engine starts. The engine merges the parts on both sides of a gap into one part, whose name no longer shows the gap.
   */
  constructor(directory: string) {
    this.#directory = directory
    this.#tables = remembered(directory)
    const before = JSON.stringify([...this.#tables])
    for (const [table, folder] of tablesIn(directory)) {
      const parts = readdirSync(folder).flatMap((name) => blocksIn(/^all_(\d+)_(\d+)_\d+(?:_\d+)?$/, name))
      const losses = this.#of(table).losses.map(({ blocks, ...loss }) => ({
        ...loss,
        blocks: blocks === null || parts.some((part) => overlap(part, blocks)) ? null : blocks,
      }))
      const gaps = gapsBetween([...parts, ...losses.flatMap(({ blocks }) => (blocks === null ? [] : [blocks]))])
      for (const blocks of gaps) losses.push({ name: `blocks ${blocks[0]} to ${blocks[1]}`, blocks, doneFor: [] })
      if (losses.length > 0) this.#tables.set(table, { ...this.#of(table), losses })
    }
    if (JSON.stringify([...this.#tables]) !== before) this.#write()
  }

  /**
   * The losses that this swarm has not repaired. Must be called after the engine has started, because the engine sets broken parts aside at its
   * start.
   */
  lostFor(swarm: string, table: string): readonly string[] {
    const { losses } = this.#of(table)
    const names = new Set(losses.map(({ name }) => name))
    const aside = join(tablesIn(this.#directory).get(table) ?? '', 'detached')
    const broken = (existsSync(aside) ? readdirSync(aside) : []).filter((name) => name.startsWith('broken') && !names.has(name))
    const all = [...losses, ...broken.map((name) => ({ name, blocks: blocksIn(/_all_(\d+)_(\d+)_\d+/, name)[0] ?? null, doneFor: [] }))]
    this.#tables.set(table, { ...this.#of(table), losses: all })
    return all.filter(({ doneFor }) => !doneFor.includes(swarm)).map(({ name }) => name)
  }

  /**
   * The offset that the repair of this partition has reached; 0 if there was no repair. A repair counts only while the table's last row is the same.
   * `next` is the offset after that row.
   */
  readUpTo(table: string, place: string, next: number): number {
    const known = this.#of(table).readAgain[place]
    return known?.next === next ? known.position : 0
  }

  /** Records a repair. Called when the sinks of the swarm have committed the positions from which they write the missing rows again. */
  done(swarm: string, table: string, places: ReadonlyMap<string, ReadAgain>): void {
    const { losses, readAgain } = this.#of(table)
    if (losses.every(({ doneFor }) => doneFor.includes(swarm)) && places.size === 0) return
    this.#tables.set(table, {
      losses: losses.map((loss) => ({ ...loss, doneFor: [...new Set([...loss.doneFor, swarm])] })),
      readAgain: { ...readAgain, ...Object.fromEntries(places) },
    })
    this.#write()
  }

  #of(table: string): Table {
    return this.#tables.get(table) ?? { losses: [], readAgain: {} }
  }

  #write(): void {
    const file = join(this.#directory, fileName)
    writeFileSync(`${file}.next`, JSON.stringify(Object.fromEntries(this.#tables)), { flush: true })
    renameSync(`${file}.next`, file)
  }
}

/**
 * The remembered repairs; empty if the file is missing or damaged. Losses are then repaired again, which is harmless: a row that is written twice
 * counts once.
 */
function remembered(directory: string): Map<string, Table> {
  try {
    return new Map(Object.entries(JSON.parse(readFileSync(join(directory, fileName), 'utf8')) as { [table: string]: Table }))
  } catch {
    return new Map()
  }
}

function tablesIn(directory: string): ReadonlyMap<string, string> {
  const store = join(directory, 'store')
  if (!existsSync(store)) return new Map()
  return new Map(
    readdirSync(store).flatMap((group) =>
      readdirSync(join(store, group)).flatMap((name) => {
        const folder = join(store, group, name)
        return existsSync(join(folder, 'format_version.txt')) || existsSync(join(folder, 'detached')) ? [[name, folder] as const] : []
      }),
    ),
  )
}

function blocksIn(pattern: RegExp, name: string): readonly Blocks[] {
  const match = pattern.exec(name)
  return match === null ? [] : [[Number(match[1]), Number(match[2])]]
}

function overlap([first, last]: Blocks, [otherFirst, otherLast]: Blocks): boolean {
  return first <= otherLast && otherFirst <= last
}

function gapsBetween(blocks: readonly Blocks[]): readonly Blocks[] {
  const gaps: Blocks[] = []
  let next = 1
  for (const [first, last] of blocks.toSorted(([a], [b]) => a - b)) {
    if (first > next) gaps.push([next, first - 1])
    next = Math.max(next, last + 1)
  }
  return gaps
}

const fileName = 'repairs.json'
