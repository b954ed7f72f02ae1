import assert from 'node:assert/strict'
import { it } from 'node:test'
import { damageDisk } from './disk.ts'

it('A process whose files were damaged while it was down refuses to start with a reason, or has all data that it acknowledged', async () => {
  const { broken, ...counts } = await damageDisk({
    only: /^killed (write-ahead log (flipped|deleted)|table cut|mark zeroed|segment (flipped|deleted))$/,
  })
  assert.deepEqual(broken, [])
  assert.deepEqual(counts, { cases: 6, refused: 5, recovered: 1 })
})
