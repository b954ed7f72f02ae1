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
  const [ours, theirs] = [await run(example), await peer.run(example)]
  assert.equal(ours.topology.describe().toString(), theirs.description)
  assert.deepEqual(compared(ours.outputs), compared(theirs.outputs))
}

/** Record by record and byte for byte; changelogs are not written yet. */
function compared(outputs: Outputs): Outputs {
  return Object.fromEntries(Object.entries(outputs).filter(([topic]) => !topic.endsWith('-changelog')))
}
