import assert from 'node:assert/strict'
import fc from 'fast-check'
import { examples } from './example.ts'
import type { Peer } from './peer.ts'
import { type Example, type Outputs, run } from './program.ts'

/** Random programs and input through both; throws with the smallest example that differs. */
export async function compare(peer: Peer, options: { readonly runs: number; readonly seed: number }): Promise<void> {
  await fc.assert(
    fc.asyncProperty(examples, (example) => equal(peer, example)),
    { numRuns: options.runs, seed: options.seed },
  )
}

async function equal(peer: Peer, example: Example): Promise<void> {
  const [ours, theirs] = [await run(example).catch(refusal), await peer.run(example).catch(refusal)]
  // What Kafka Streams refuses (two topics of one name) is to be refused here.
  if (ours === null || theirs === null) {
    assert.deepEqual([ours === null, theirs === null], [true, true])
    return
  }
  assert.equal(ours.topology.describe().toString(), theirs.description)
  assert.deepEqual(compared(ours.outputs), compared(theirs.outputs))
}

function refusal(error: unknown): null {
  if (error instanceof Error) return null
  throw error
}

/** Record by record and byte for byte; changelogs are not written yet. */
function compared(outputs: Outputs): Outputs {
  return Object.fromEntries(Object.entries(outputs).filter(([topic]) => !topic.endsWith('-changelog')))
}
