import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, it } from 'node:test'
import { type CheckResult, checkBee } from '../../../ops/bee-check/bee-check.ts'
import { onSocket, scriptFolder } from '../../support/bee-script.ts'

const root = resolve(import.meta.dirname, '..', '..', '..')
const examples = [...readFileSync(resolve(root, 'bees', 'PROTOCOL.md'), 'utf8').matchAll(/```python\n([\s\S]*?)```/g)].map(([, text]) => text ?? '')
const hasPython = spawnSync('python3', ['--version']).status === 0
const skip = hasPython || process.env.CI === 'true' ? false : 'There is no python3 here'

async function checked(command: readonly string[], limitMs = 10_000): Promise<readonly CheckResult[]> {
  return checkBee({ command, sample: { kind: 'json', json: {} }, limitMs, onResult: () => {} })
}

const failures = (results: readonly CheckResult[]) => results.filter(({ outcome }) => outcome === 'failed')

/** A bee on its standard streams: `body` handles one `line`, and `say` writes a message. */
const onLines = (body: string, hello = '{"waggle": 1}') => `
  import { createInterface } from 'node:readline'
  const say = (message) => console.log(JSON.stringify(message))
  console.log(${JSON.stringify(hello)})
  for await (const line of createInterface(process.stdin)) {
    const { id, ...request } = JSON.parse(line)
    ${body}
  }`

describe('The check of a bee program passes', () => {
  const { file } = scriptFolder()

  it('for both examples of bees/PROTOCOL.md', { skip }, async () => {
    for (const example of examples) assert.deepEqual(failures(await checked(['python3', file(example, 'bee.py')], 30_000)), [])
  })

  it('for ten lines of a shell script', async () => {
    const script = `#!/bin/sh
echo '{"waggle": 1}'
while read -r line; do
  id=\${line#*'"id":'}
  echo "{\\"id\\": \${id%%,*}, \\"json\\": \\"seen\\"}"
done
`
    assert.deepEqual(failures(await checked(['sh', file(script, 'bee.sh')], 60_000)), [])
  })

  it('for a program that wants cancellations, pings and parts, and makes all checks', async () => {
    const script = onSocket(
      { waggle: 1, wants: ['cancel', 'ping', 'parts'], window: 4 },
      `if (message.ping) write({ pong: message.ping }); else if (id !== undefined) { write({ part: id, number: 0, json: 1 }); write({ id, json: json ?? null }) }`,
    )
    const results = await checked([process.execPath, file(script)])
    assert.deepEqual(failures(results), [])
    assert.ok(results.every(({ outcome }) => outcome === 'passed'))
    assert.equal(results[0]?.check, 'says hello: json, on the socket')
  })

  it('for a bee of the Python SDK, in the binary form', { skip }, async () => {
    const bee = file('from waggle import register_bee\n@register_bee(name="echo")\ndef echo(payload):\n    return {"seen": True}\n', 'echo.py')
    const sdk = resolve(root, 'bees', 'python', 'sdk', 'src')
    const results = await checked(['env', `PYTHONPATH=${sdk}`, 'python3', '-m', 'waggle.runner', bee, 'echo'])
    assert.deepEqual(failures(results), [])
    assert.equal(results[0]?.check, 'says hello: binary, on the socket')
  })

  it('for a generator of the Python SDK', { skip }, async () => {
    const bee = file('from waggle import register_bee\n@register_bee(name="say")\nasync def say(payload):\n    yield "a"\n    yield "b"\n', 'say.py')
    const sdk = resolve(root, 'bees', 'python', 'sdk', 'src')
    const results = await checked(['env', `PYTHONPATH=${sdk}`, 'python3', '-m', 'waggle.runner', bee, 'say'])
    assert.deepEqual(failures(results), [])
    assert.equal(results.find(({ check }) => check.startsWith('publishes parts'))?.outcome, 'passed')
  })
})

describe('The check of a bee program fails', () => {
  const { file } = scriptFolder()

  for (const [what, script, wanted] of [
    ['without a hello', 'process.exit(3)', { check: 'says hello', detail: /ended with status 3 before its hello/, next: /Write the line/ }],
    [
      'that prints before its hello',
      `console.log('Loading…'); setInterval(() => {}, 1000)`,
      { check: 'says hello', detail: /no JSON object: "Loading…"/, next: /standard error/ },
    ],
    [
      'that says why it cannot start',
      `console.log('{"failed": "no model", "next": "Get one."}')`,
      { check: 'says hello', detail: /cannot start: no model/, next: /Get one/ },
    ],
    [
      'that answers nothing',
      onLines(''),
      { check: 'answers a request', detail: /no result for request 1 within 1 s/, next: /one result for each request/ },
    ],
    [
      'that answers twice',
      onLines('say({ id, json: 1 }); say({ id, json: 1 })'),
      { check: 'answers JSON of every kind', detail: /answers request \d+ twice/, next: /one result for each/ },
    ],
    [
      'that answers another request',
      onLines('say({ id: id + 1000, json: 1 })'),
      { check: 'answers a request', detail: /request 1001, which it was never sent/, next: /the id of its request/ },
    ],
    ['that answers without an id', onLines('say({ json: 1 })'), { check: 'answers a request', detail: /without the id/, next: /./ }],
    [
      'that answers without a value',
      onLines('say({ id })'),
      { check: 'answers a request', detail: /without json, tensors, bytes, refuse or error/, next: /Write one of json/ },
    ],
    [
      'that prints between its results',
      onLines(`console.log('working'); say({ id, json: 1 })`),
      { check: 'answers a request', detail: /no JSON object: "working"/, next: /standard error/ },
    ],
    [
      'that dies at an unexpected input',
      onLines('say({ id, json: request.json.text.length })'),
      { check: 'answers a request', detail: /ended with status 1; its last words/, next: /Catch errors/ },
    ],
    [
      'that cannot read bytes',
      onLines('say({ id, json: JSON.stringify(request.json).length })'),
      { check: 'answers bytes, tensors and the parts of a join', detail: /ended with status 1/, next: /Catch errors/ },
    ],
    [
      'that refuses fields of a later version',
      onLines('if (Object.keys(request).length > 4) process.exit(5); say({ id, json: 1 })'),
      { check: 'ignores fields that it does not know', detail: /ended with status 5/, next: /./ },
    ],
    [
      'that does not stop',
      `${onLines('say({ id, json: 1 })')}\nsetInterval(() => {}, 1000)`,
      { check: 'finishes its requests and exits when its input ends', detail: /does not exit within/, next: /Exit when the input ends/ },
    ],
    [
      'that stops with an error',
      `${onLines('say({ id, json: 1 })')}\nprocess.exit(9)`,
      { check: 'finishes its requests and exits when its input ends', detail: /ended with status 9 at the end of its input/, next: /status 0/ },
    ],
    [
      'that drops its open requests when its input ends',
      `import { createInterface } from 'node:readline'\nconsole.log('{"waggle": 1}')\nprocess.stdin.on('end', () => process.exit(0))\ncreateInterface(process.stdin).on('line', (line) => setTimeout(() => console.log(JSON.stringify({ id: JSON.parse(line).id, json: 1 })), 30))`,
      { check: 'finishes its requests and exits when its input ends', detail: /ended with status 0/, next: /./ },
    ],
    [
      'that publishes parts without announcing them',
      onLines('say({ part: id, number: 0, json: 1 }); say({ id, json: 1 })'),
      { check: 'answers a request', detail: /publishes a part, and its hello does not say so/, next: /"parts" in wants/ },
    ],
    [
      'that counts its parts from 1',
      onLines('say({ part: id, number: 1, json: 1 }); say({ id, json: 1 })', '{"waggle": 1, "wants": ["parts"]}'),
      { check: 'answers a request', detail: /publishes part 1 of request 1 where part 0 comes next/, next: /Count parts from 0/ },
    ],
    [
      'that publishes a part after its result',
      onLines('say({ id, json: 1 }); say({ part: id, number: 0, json: 1 })', '{"waggle": 1, "wants": ["parts"]}'),
      { check: 'answers JSON of every kind', detail: /a part of request \d+ after its result/, next: /before the result/ },
    ],
    [
      'that asks for pings and answers none',
      onLines('if (id) say({ id, json: 1 })', '{"waggle": 1, "wants": ["ping"]}'),
      { check: 'answers a ping, also while it has requests', detail: /no pong within 1 s/, next: /Answer \{"ping": n\}/ },
    ],
    [
      'that asks for cancellations and dies at a cancellation',
      onLines('if (id === undefined) process.exit(6); say({ id, json: 1 })', '{"waggle": 1, "wants": ["cancel"]}'),
      { check: 'gives up a request that is cancelled, with one result', detail: /ended with status 6/, next: /./ },
    ],
  ] as const) {
    it(`for a program ${what}`, async () => {
      const results = await checked([process.execPath, file(script)], 1_000)
      const found = failures(results).find(({ check }) => check === wanted.check)
      assert.ok(found !== undefined, JSON.stringify(failures(results)))
      assert.match(found.detail ?? '', wanted.detail)
      assert.match(found.next ?? '', wanted.next)
    })
  }

  it('for a program that cannot be found', async () => {
    const [only, ...others] = await checked(['no-such-program'])
    assert.deepEqual(others, [])
    assert.match(only?.detail ?? '', /cannot be started: spawn no-such-program ENOENT/)
  })
})

describe('waggle bees check', () => {
  const { file } = scriptFolder()
  const waggle = (...argv: readonly string[]) =>
    spawnSync(process.execPath, [resolve(root, 'ops', 'cli', 'main.ts'), 'bees', 'check', ...argv], { encoding: 'utf8', timeout: 60_000 })

  it('prints a line for each check, passes options on to the command, and exits with 0', () => {
    const { stdout, status } = waggle(process.execPath, '--no-warnings', file(onLines('say({ id, json: 1 })')))
    assert.match(stdout, /^✔ says hello: json, on its standard streams\n✔ answers a request\n/)
    assert.match(stdout, /It keeps to the protocol\.\n$/)
    assert.equal(status, 0)
  })

  it('prints the corrections to make, and exits with 1', () => {
    const { stdout, status } = waggle(process.execPath, file('process.exit(3)'))
    assert.match(
      stdout,
      /^✖ says hello\n {4}It ended with status 3 before its hello\n {4}Write the line .*\n1 of 1 checks failed\. See bees\/PROTOCOL\.md\.\n$/,
    )
    assert.equal(status, 1)
  })

  it('prints JSON with --json', () => {
    const { stdout, status } = waggle('--json', process.execPath, file('process.exit(3)'))
    const { ok, checks } = JSON.parse(stdout) as { readonly ok: boolean; readonly checks: readonly CheckResult[] }
    assert.deepEqual([ok, status, checks[0]?.outcome], [false, 1, 'failed'])
  })

  it('exits with the status for wrong usage if there is no command', () => {
    assert.equal(waggle().status, 2)
    assert.equal(waggle('--data', 'no json', 'true').status, 2)
  })
})
