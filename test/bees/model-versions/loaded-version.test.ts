import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readingOf } from '../../../bees/model/model-reading.ts'
import { LoadedVersion } from '../../../bees/model-versions/loaded-version.ts'
import { ModelDied, type ModelRow, type OpenModel } from '../../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { rowSignature as signature } from '../../support/row-model.ts'

const { signal } = new AbortController()
const deadly = 13

/** A model whose thread dies of one input, and loses all calls in flight. */
class MortalModel implements OpenModel {
  readonly signature = signature
  readonly device = 'cpu'
  readonly choice = null
  /** The inputs of each call, in order. */
  readonly calls: (readonly number[])[] = []
  readonly #inFlight = new Set<(error: Error) => void>()

  run(
    rows: readonly ModelRow[],
  ): Promise<readonly { readonly outputs: { readonly scores: { readonly shape: readonly [2]; readonly values: readonly number[] } } }[]> {
    const values = rows.map((row) => (row.kind === 'tensors' ? Number(row.tensors[0]?.data[0]) : 0))
    this.calls.push(values)
    return new Promise((resolve, reject) => {
      this.#inFlight.add(reject)
      setImmediate(() => {
        if (values.includes(deadly)) for (const fail of this.#inFlight) fail(new ModelDied('WAGGLE_MODEL_FAILED', { message: 'it died', next: '' }))
        this.#inFlight.delete(reject)
        resolve(values.map(() => ({ outputs: { scores: { shape: [2], values: [1, 0] } } })))
      })
    })
  }

  async close(): Promise<void> {}
}

function versionOf(model: OpenModel): LoadedVersion {
  return new LoadedVersion({ bee: 'judge', version: null, fingerprint: '', model, reading: readingOf({ model: 'm' }, signature), loadedAt: 0 })
}

describe('A version whose thread dies', () => {
  it('tries the calls in flight once more, one at a time, so that only the deadly input fails', async () => {
    const model = new MortalModel()
    const version = versionOf(model)
    const outcomes = await Promise.allSettled([1, deadly, 2].map((value) => version.predict([[value]], signal)))
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'answered' : String(outcome.reason.message))),
      ['answered', 'it died', 'answered'],
    )
    assert.deepEqual(model.calls, [[1], [deadly], [2], [deadly], [2]])
  })

  it('fails a batch of several rows as a whole, so that the engine tries its rows one by one', async () => {
    const model = new MortalModel()
    await assert.rejects(versionOf(model).predict([[1], [deadly]], signal), /it died/)
    assert.deepEqual(model.calls, [[1, deadly]])
  })
})

describe('A version whose output is not a number', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
    it(`fails the row with ${value}, names the output, and answers the other rows`, async () => {
      const rows = [
        [0.5, 0.5],
        [0.5, value],
        [1, 0],
      ]
      const model: OpenModel = {
        signature,
        device: 'cpu',
        choice: null,
        run: async (inputs) => inputs.map((_, at) => ({ outputs: { scores: { shape: [2], values: rows[at] ?? [] } } })),
        close: async () => {},
      }
      const [first, failed, last] = await versionOf(model).predict([[1], [2], [3]], signal)
      assert.ok(failed instanceof WaggleError)
      assert.equal(failed.code, 'WAGGLE_NOT_FINITE')
      assert.match(failed.message, new RegExp(`judge gave ${value} in its output scores`))
      for (const good of [first, last]) assert.ok(good !== undefined && !(good instanceof WaggleError))
    })
})
