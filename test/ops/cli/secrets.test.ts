import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { SwarmHere } from '../../support/swarm-here.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
const secret = 'hunter2/"hunter2'

/** Commands that end before they report that they are ready. */
const commands = {
  'does not exist': '[/nowhere/program, "--key={{ secrets.KEY }}"]',
  'is a secret itself': '["/nowhere/{{ secrets.KEY }}"]',
  'quotes a secret and ends': `[node, -e, "console.error('my key is ' + process.env.KEY); process.exit(3)"]`,
}

describe('The output of a failed run', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-secrets-'))
  after(() => rmSync(directory, { recursive: true }))

  for (const [what, command] of Object.entries(commands)) {
    it(`names the place, but no secret, if a command ${what}`, () => {
      const file = join(directory, 'swarm.yaml')
      writeFileSync(
        file,
        `name: s
bees:
  - { name: g, type: gateway-input, spec: { name: g } }
  - { name: c, type: container, input: { name: g }, spec: { command: ${command}, env: { KEY: "{{ secrets.KEY }}" } } }
  - { name: r, type: respond, input: { name: c } }
`,
      )
      const env = { WAGGLE_SECRET_KEY: secret, WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_CLICKHOUSE_PORT: '0' }
      const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'run', file], { env: { ...process.env, ...env }, encoding: 'utf8' })
      assert.equal(status, 1, stderr)
      assert.match(stderr, /swarm\.yaml:4:\d+: /)
      assert.doesNotMatch(stdout + stderr, /hunter2|^\s+at .*:\d+:\d+\)?$/m)
    })
  }
})

/** A bee that answers with its whole environment and its arguments. */
const tells = `const told = () => ({ env: process.env, argv: process.argv, joined: 'Bearer ' + process.env.KEY })
console.log('{"waggle":1}')
require('readline').createInterface(process.stdin).on('line', (line) => {
  const { id, json } = JSON.parse(line)
  console.error('I was told ' + process.env.KEY)
  console.log(JSON.stringify(json.fails ? { id, error: 'no ' + process.env.KEY } : { id, json: told() }))
})`

describe('A bee that gets a secret in its environment', () => {
  const env = { WAGGLE_SECRET_KEY: secret, WAGGLE_SECRET_OTHER: 'another secret' }
  const bees = `  - {name: tells, type: container, input: {name: entrance}, spec: {command: [node, -e, ${JSON.stringify(tells)}], env: {KEY: "{{ secrets.KEY }}"}}}
  - {name: answer, type: respond, input: {name: tells}}`

  it('cannot show the secret in an answer, an error, a dead letter or a log line, and gets no other secret', async () => {
    process.env.WAGGLE_SECRET_OTHER = env.WAGGLE_SECRET_OTHER
    await using swarm = await SwarmHere.open(env, { bees })
    delete process.env.WAGGLE_SECRET_OTHER
    const answer = await (await swarm.ask({})).text()
    assert.match(answer, /"joined":"Bearer \{\{ secrets\.KEY \}\}"/)
    const failed = await (await swarm.ask({ fails: true })).text()
    assert.match(failed, /no \{\{ secrets\.KEY \}\}/)
    const letters = await (await fetch(`${swarm.url}/v1/dead-letters?swarm=${swarm.name}`)).text()
    assert.match(letters, /secrets\.KEY/)
    assert.doesNotMatch([answer, failed, letters].join(), /hunter2|another secret/)
  })
})
