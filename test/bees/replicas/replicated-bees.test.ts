import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { skipWithoutPython } from '../../support/python-bee.ts'
import { ReplicatedBee } from '../../support/replicated-bee.ts'

const files = {
  'work.mjs': "import { threadId } from 'node:worker_threads'\nexport default () => threadId\n",
  'work.py': 'import os\nfrom waggle import register_bee\n@register_bee(name="work")\ndef work(payload):\n    return os.getpid()\n',
}

const kinds = [
  ['threads of a module', 'type: module, spec: {file: ./work.mjs}', false],
  ['processes of a Python bee', 'type: python, spec: {file: ./work.py, bee: work}', skipWithoutPython],
  [
    'processes of a command',
    `type: container, spec: {command: [node, -e, "console.log('{\\"waggle\\":1}');require('readline').createInterface(process.stdin).on('line',(l)=>console.log(JSON.stringify({id:JSON.parse(l).id,json:process.pid})))"]}`,
    false,
  ],
] as const

describe('The replicas of a bee', () => {
  for (const [kind, settings, skip] of kinds)
    it(`become two while requests wait, and one again when one is enough: ${kind}`, { skip }, async () => {
      await using bee = await ReplicatedBee.open(`max_replicas: 2, ${settings}`, files)
      const workers = async (calls: number) =>
        new Set((await bee.halfSecond(Array(calls).fill(1))).map((result) => (result as { readonly json: number }).json))
      for (let time = 0; time < 2; time++) assert.equal((await workers(8)).size, 1)
      assert.equal(bee.counts.replicas, 2)
      for (let time = 0; time < 20; time++) assert.equal((await workers(2)).size, 2)
      for (let time = 0; time < 70; time++) await bee.halfSecond()
      assert.deepEqual(bee.counts, { replicas: 1, grown: 1, shrunk: 1, takenBack: 0, failed: 0 })
      assert.equal((await workers(4)).size, 1)
    })
})
