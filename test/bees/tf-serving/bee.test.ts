import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BeeCheckContext } from '../../../bees/define-bee.ts'
import tfServing from '../../../bees/tf-serving/bee.ts'

describe('The place of a TensorFlow model in a spec', () => {
  const check = (spec: object) =>
    tfServing.definition.check?.({ spec, resolve: async (uri: string) => uri } as unknown as BeeCheckContext<never>) ?? Promise.reject()
  const url = 'http://127.0.0.1:8501/v1/models/teddy'

  it('is either model or url, and a setting that belongs to the other is refused', async () => {
    const cases: readonly (readonly [spec: object, said: RegExp])[] = [
      [{ labels: ['a'] }, /names neither model nor url/],
      [{ model: './a.pb', url }, /names both model and url/],
      [{ model: './a.pb', tls: {} }, /tls is set without url/],
      ...['backend', 'sha256', 'versions', 'traffic', 'follow', 'shadow'].map(
        (key) => [{ url, [key]: 'any' }, new RegExp(`${key} is set beside url`)] as const,
      ),
    ]
    for (const [spec, message] of cases) await assert.rejects(check(spec), { code: 'WAGGLE_MODEL_ADDRESS', message }, JSON.stringify(spec))
  })
})
