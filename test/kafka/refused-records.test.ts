import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { SwarmProcesses } from '../support/swarm-processes.ts'

/** A bee that returns 5 letters for `{"length": 5}`. */
const echoing = {
  bees: `  - {name: letters, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: letters}}
  - {name: answer, type: respond, input: {name: letters}}`,
  functions: `export const letters = ({ length }) => ({ text: 'x'.repeat(length) })
`,
}

describeWithKafka('A result that no topic accepts', {}, (cluster) => {
  for (const processing of ['at_least_once', 'exactly_once']) {
    describe(processing, () => {
      let swarm: SwarmProcesses
      let program: MeasuredProgram

      before(async () => {
        swarm = new SwarmProcesses({
          ...echoing,
          brokers: cluster().brokers,
          env: { WAGGLE_PROCESSING: processing, WAGGLE_MAX_BODY_BYTES: '100000' },
        })
        program = await swarm.start('one')
      })
      after(async () => {
        assert.equal(await program.stop(), 0)
        assert.equal((await swarm.waggle('one', ['reset', swarm.file, '--force', '--gateways'])).status, 0)
        await swarm.close()
      })

      it('gives its own request a 502 with the cause, and all other requests are answered', async () => {
        const lengths = Array.from({ length: 60 }, (_, at) => (at % 20 === 7 ? 3_000_000 : at))
        const answers = await Promise.all(
          lengths.map(async (length) => {
            const response = await swarm.ask(program, { length })
            return { length, status: response.status, body: (await response.json()) as { text?: string; detail?: string } }
          }),
        )
        for (const { length, status, body } of answers) {
          if (length < 1000) assert.deepEqual([status, body.text?.length], [200, length])
          else {
            assert.equal(status, 502)
            assert.match(body.detail ?? '', /MESSAGE_TOO_LARGE|cannot be written to waggle.*the topic has just refused a record of/)
          }
        }
        assert.equal((await fetch(`${program.ready.gateway}/readyz`)).status, 200)
      })
    })
  }
})
