import type { KeptStore } from '../../topology/state-store.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Log, StateDisk, StoreChange } from '../ports.ts'
import { globalStateName } from '../task/open-task.ts'

export interface StoreFormatsOptions {
  readonly applicationId: string
  readonly subtopologies: readonly Subtopology[]
  readonly log: Log
  readonly partitionsOf: (topic: string) => number
}

/** The layout of a store's rows. A program that expects another layout reads the rows wrongly, without any error. */
interface Format {
  readonly kind: KeptStore['kind']
  readonly timestamped: boolean
  readonly timeOrdered: boolean
  readonly retainDuplicates: boolean
}

/**
 * Compares each store with the layout that the log has noted for it, and notes the layouts of new stores. Does nothing where the log keeps no state.
 * As in Kafka Streams, values without timestamps become values with timestamp -1. Throws WAGGLE_STORE_DIFFERS for any other change, unless the store
 * is empty.
 */
export async function prepareStoreFormats({ applicationId, subtopologies, log, partitionsOf }: StoreFormatsOptions): Promise<void> {
  const { state } = log
  if (state?.migrate === undefined) return
  const task = `${applicationId}/${formatsName}`
  const known = state.open(task, formatsName)
  const noted: [Uint8Array, Uint8Array][] = []
  const changes: StoreChange[] = []
  for (const subtopology of subtopologies) {
    for (const store of subtopology.stores) {
      if (store.kind === 'custom') continue
      const key = Buffer.from(store.name)
      const bytes = known.get(key)
      const now = formatOf(store)
      const before = bytes === null ? null : (JSON.parse(Buffer.from(bytes).toString()) as Format)
      if (before !== null && isSame(before, now)) continue
      if (before !== null)
        changes.push(...carriedOver(store.name, { before, now, state, tasks: taskNames(applicationId, subtopology, partitionsOf) }))
      noted.push([key, Buffer.from(JSON.stringify(now))])
    }
  }
  if (noted.length === 0) return
  await write(state.migrate, [...changes, { task, store: formatsName, entries: noted, logged: null }])
}

function formatOf({ kind, timestamped = false, timeOrdered = false, retainDuplicates = false }: KeptStore): Format {
  return { kind, timestamped, timeOrdered, retainDuplicates }
}

function isSame(one: Format, other: Format): boolean {
  return kindText(one) === kindText(other)
}

function kindText({ kind, timestamped, timeOrdered, retainDuplicates }: Format): string {
  const more = [timestamped ? 'with times' : '', timeOrdered ? 'in the order of time' : '', retainDuplicates ? 'with duplicates' : '']
  const notes = more.filter((one) => one !== '').join(', ')
  return `${names[kind]} store${notes === '' ? '' : ` (${notes})`}`
}

interface Change {
  readonly before: Format
  readonly now: Format
  readonly state: StateDisk
  readonly tasks: readonly string[]
}

/** The changes that bring a store's rows to the new layout; none for an empty store. Throws WAGGLE_STORE_DIFFERS if the rows cannot be converted. */
function carriedOver(store: string, { before, now, state, tasks }: Change): readonly StoreChange[] {
  const filled = tasks.filter((task) => !state.open(task, store).range(null, null).next().done)
  const [first] = filled
  if (first === undefined) return []
  if (!isSame({ ...before, timestamped: true }, now)) {
    const applicationId = first.slice(0, first.lastIndexOf('/'))
    throw new WaggleError('WAGGLE_STORE_DIFFERS', {
      message: `The store ${store} of ${applicationId} has rows of a ${kindText(before)}, and is now a ${kindText(now)}, which cannot read them`,
      next: `Give the store another name, or begin anew: \`waggle reset --application ${applicationId}\`.`,
    })
  }
  return filled.map((task) => ({ task, store, entries: [...withUnknownTime(state, task, store)], logged: null }))
}

function* withUnknownTime(state: StateDisk, task: string, store: string): IterableIterator<readonly [Uint8Array, Uint8Array]> {
  for (const [key, value] of state.open(task, store).range(null, null)) yield [key, Buffer.concat([unknownTime, value])]
}

function taskNames(applicationId: string, { sources, isGlobal }: Subtopology, partitionsOf: (topic: string) => number): readonly string[] {
  if (isGlobal) return [globalStateName(applicationId)]
  return Array.from({ length: Math.max(0, ...sources.map(partitionsOf)) }, (_, partition) => `${applicationId}/${partition}`)
}

async function write(migrate: NonNullable<StateDisk['migrate']>, changes: readonly StoreChange[]): Promise<void> {
  for (;;) {
    try {
      return await migrate(changes)
    } catch (error) {
      // WAGGLE_COMMIT_DROPPED: another application of this process has rolled back, and its rollback has dropped this write. The loop writes again.
      if (!(error instanceof WaggleError) || error.code !== 'WAGGLE_COMMIT_DROPPED') throw error
    }
  }
}

const names = { keyValue: 'key-value', window: 'window', session: 'session', versioned: 'versioned' } as const
const formatsName = 'formats'
/** The bytes of timestamp -1, which stand before a value. */
const unknownTime = Buffer.alloc(8, 0xff)
