import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { skipWithoutPython } from '../../support/python-bee.ts'
import { sdkEnvironment } from '../../support/python-sdk.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

const folder = resolve(import.meta.dirname, '..', '..', '..', 'swarms', 'hello-python')
const file = join(folder, 'hello.py')
const run = promisify(execFile)

it('hello.py and client.py of 2021 run unchanged, in a swarm without a respond bee', { skip: skipWithoutPython }, async () => {
  const bee = (name: string, input: string) => `  - {name: ${name}, type: python, input: {name: ${input}}, spec: {file: ${file}, bee: ${name}}}`
  await using swarm = await SwarmHere.open({}, { name: 'hello-world', bees: [bee('hello', 'entrance'), bee('goodbye', 'hello')].join('\n') })
  const { stdout } = await run('python3', [join(folder, 'client.py')], { env: { ...sdkEnvironment, WAGGLE_URL: swarm.url } })
  assert.equal(stdout, 'goodbye Bee\n')
})
