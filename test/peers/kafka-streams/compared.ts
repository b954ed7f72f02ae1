import assert from 'node:assert/strict'
import fc from 'fast-check'
import { haveSameCause } from './causes.ts'
import { examples } from './example.ts'
import type { Peer } from './peer.ts'
import { run } from './run.ts'
import type { Example, Outputs } from './steps.ts'

/** Runs random programs and inputs in Waggle and in Kafka Streams. Throws with the smallest example whose results differ. */
export async function compare(peer: Peer, options: { readonly runs: number; readonly seed: number }): Promise<void> {
  await fc.assert(
    fc.asyncProperty(examples, (example) => equal(peer, example)),
    { numRuns: options.runs, seed: options.seed },
  )
}

/** Throws if Waggle and Kafka Streams differ. */
export async function equal(peer: Peer, example: Example): Promise<void> {
  const [ours, theirs] = [await run(example).catch(refusal), await peer.run(example).catch(refusal)]
  if (theirs instanceof Error && /Found a null keyChangingChild/.test(theirs.message)) {
    // Kafka Streams' optimiser fails on some programs on which Waggle's optimiser succeeds.
    await equal(peer, { ...example, optimization: 'none' })
    return
  }
  if (ours instanceof Error || theirs instanceof Error) {
    assert.ok(haveSameCause(ours, theirs), new Error('One of the two fails, or they fail for different causes', { cause: { ours, theirs } }))
    return
  }
  assert.equal(ours.description, theirs.description)
  assert.deepEqual(compared(ours.outputs), compared(theirs.outputs))
  assert.deepEqual(stateIn(ours.outputs), kept(stateIn(theirs.outputs), stateIn(ours.outputs)))
  assert.deepEqual(versionsIn(ours.outputs, example), versionsIn(theirs.outputs, example))
}

function refusal(error: unknown): Error {
  if (error instanceof Error) return error
  throw error
}

/** The outputs, record by record and byte for byte. */
function compared(outputs: Outputs): Outputs {
  return Object.fromEntries(Object.entries(outputs).filter(([topic]) => !topic.endsWith('-changelog')))
}

/**
 * The rows of each changelog after compaction, byte for byte. Waggle writes one record for each row and commit. Kafka Streams without a cache writes
 * one record for each change. Records of buffers contain the time at which they were written.
 */
function stateIn(outputs: Outputs): { readonly [changelog: string]: { readonly [key: string]: string } } {
  const changelogs = Object.entries(outputs).filter(([topic]) => topic.endsWith('-changelog') && !topic.includes('versions-'))
  const states = changelogs.map(([topic, records]) => {
    const state = new Map<string, string>()
    for (const [key, value, timestamp] of records) {
      if (value === null) state.delete(key ?? '')
      else state.set(key ?? '', /SUPPRESS|-Buffer/.test(topic) ? value : `${value} at ${timestamp}`)
    }
    return [topic, Object.fromEntries([...state].sort())] as const
  })
  return Object.fromEntries(states.filter(([, state]) => Object.keys(state).length > 0))
}

type States = ReturnType<typeof stateIn>

/**
 * Drops rows that Kafka Streams logs although its own store refuses them: windows and sessions that come too late for their segment. Waggle logs only
 * rows that it keeps. A segment spans at least one minute.
 */
function kept(theirs: States, ours: States): States {
  const states = Object.entries(theirs).map(([topic, state]) => {
    const newest = Math.max(...Object.keys(state).map(minuteIn))
    const rows = Object.entries(state).filter(([key]) => topic.includes('FK-JOIN') || key in (ours[topic] ?? {}) || minuteIn(key) >= newest)
    return [topic, Object.fromEntries(rows)] as const
  })
  return Object.fromEntries(states.filter(([, state]) => Object.keys(state).length > 0))
}

/** The minute in a row's key. A window's start is 12 bytes before the end of the key, a session's end 16 bytes. 0 for other rows. */
function minuteIn(key: string): number {
  const times = [24, 32].filter((digits) => key.length > digits).map((digits) => Number(`0x${key.slice(-digits, 16 - digits)}`))
  return Math.max(0, ...times.filter((time) => time < 2 ** 46).map((time) => Math.floor(time / 60_000)))
}

/**
 * All puts of versioned stores, in order. Kafka Streams also logs puts that came too late to be kept. After a compaction such a put may be the last
 * record of its key.
 */
function versionsIn(outputs: Outputs, { steps }: Example): Outputs {
  const stores = steps.flatMap((step) => (step.op === 'versionedTable' ? [step] : []))
  return Object.fromEntries(
    stores.map(({ topic, history }) => {
      let time = -1
      const records = outputs[`app-versions-${topic}-changelog`] ?? []
      return [
        topic,
        records.filter(([, , timestamp]) => {
          const isKept = timestamp >= time - history
          time = Math.max(time, timestamp)
          return isKept
        }),
      ]
    }),
  )
}
