import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SwarmHere } from '../support/swarm-here.ts'

const program = `console.log('{"waggle": 1}')
  require('node:readline').createInterface(process.stdin).on('line', (line) => console.log(JSON.stringify({ id: JSON.parse(line).id, json: 'done' })))`
const bees = `  - {name: work, type: container, input: {name: entrance}, spec: {command: [node, -e, ${JSON.stringify(program)}], memory: "{{ secrets.MOST_MEMORY }}"}}
  - {name: answer, type: respond, input: {name: work}}`

describe('A secret in a setting that must match a pattern', () => {
  it('is filled in before the setting is checked', async () => {
    await using swarm = await SwarmHere.open({ WAGGLE_SECRET_MOST_MEMORY: '512m' }, { bees })
    assert.equal(await (await swarm.ask(1)).json(), 'done')
  })

  it('is reported as a mistake at the setting’s place if the value does not match, and the error hides the value', async () => {
    await assert.rejects(SwarmHere.open({ WAGGLE_SECRET_MOST_MEMORY: 'a lot of memory' }, { bees }), (error: Error) => {
      assert.match(error.message, /swarm\.yaml:4:\d+: memory does not fit when its secret is filled in: it must match pattern/)
      assert.doesNotMatch(error.message, /a lot of memory/)
      return true
    })
  })

  it('is refused in a setting that the plan needs', async () => {
    const output = '  - {name: out, type: kafka-output, input: {name: entrance}, spec: {topic: "{{ secrets.TOPIC }}"}}'
    await assert.rejects(SwarmHere.open({ WAGGLE_SECRET_TOPIC: 'orders' }, { bees: output }), /topic cannot hold a secret, because the plan/)
  })

  it('is refused in a choice of several words that steps of the swarm read before secrets are filled in', async () => {
    const loop = `  - {name: again, type: loop, input: {stack: [entrance, step]}, spec: {while: '\`true\`', body: step, max_rounds: 2, on_limit: "{{ secrets.LIMIT }}"}}
  - {name: step, type: map, input: {name: again}, spec: {expression: '@'}}
  - {name: answer, type: respond, input: {name: again}}`
    await assert.rejects(SwarmHere.open({ WAGGLE_SECRET_LIMIT: 'fail' }, { bees: loop }), /on_limit .*fail/)
  })
})
