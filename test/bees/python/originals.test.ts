import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { skipWithoutPython } from '../../support/python-bee.ts'
import { sdkEnvironment } from '../../support/python-sdk.ts'
import { eventually, SwarmHere } from '../../support/swarm-here.ts'

const folder = resolve(import.meta.dirname, '..', '..', '..', 'swarms', 'hello-python')
const file = join(folder, 'hello.py')
const run = promisify(execFile)

const sorting = `from bytewax.swarm import register_bee

@register_bee(name="sort")
def sort(swarm, data, context):
    if data["score"] > 0.8:
        swarm.respond({"sure": data["label"]}, context)
    if data["score"] < 0.9:
        swarm.publish(data, context)

@register_bee(name="ask")
def ask(swarm, data, context):
    swarm.respond({"asked": data["label"]}, context)
`

it('A bee in the middle of a swarm answers by swarm.respond, and the next bee gets the published value', { skip: skipWithoutPython }, async () => {
  const bee = (name: string, input: string) => `  - {name: ${name}, type: python, input: {name: ${input}}, spec: {file: ./sort.py, bee: ${name}}}`
  await using swarm = await SwarmHere.open({}, { bees: [bee('sort', 'entrance'), bee('ask', 'sort')].join('\n'), files: { 'sort.py': sorting } })
  const answers = [0.95, 0.85, 0.5].map(async (score) => (await swarm.ask({ score, label: 'bear' })).json())
  assert.deepEqual(await Promise.all(answers), [{ sure: 'bear' }, { sure: 'bear' }, { asked: 'bear' }])
  const lengths = await eventually(async () => {
    const topic = await swarm.topic('.ask')
    const count = (topic?.offsets ?? []).reduce((sum, { start, end }) => sum + end - start, 0)
    return count === 3 ? count : null
  })
  assert.equal(lengths, 3)
})

it('The hello.py and client.py of 2021 run unchanged, in a swarm without a respond bee', { skip: skipWithoutPython }, async () => {
  const bee = (name: string, input: string) => `  - {name: ${name}, type: python, input: {name: ${input}}, spec: {file: ${file}, bee: ${name}}}`
  await using swarm = await SwarmHere.open({}, { name: 'hello-world', bees: [bee('hello', 'entrance'), bee('goodbye', 'hello')].join('\n') })
  const { stdout } = await run('python3', [join(folder, 'client.py')], { env: { ...sdkEnvironment, WAGGLE_URL: swarm.url } })
  assert.equal(stdout, 'goodbye Bee\n')
})
