import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import * as client from 'waggle-streams/client'
import { skipWithoutPython } from '../support/python-bee.ts'
import { sdkEnvironment } from '../support/python-sdk.ts'
import { SwarmHere } from '../support/swarm-here.ts'

const root = resolve(import.meta.dirname, '..', '..')
const page = readFileSync(join(root, 'docs', 'clients.md'), 'utf8')
const run = promisify(execFile)

describe('docs/clients.md', () => {
  mkdirSync(join(root, '.waggle'), { recursive: true })
  // A module imports the package by its name from inside the package.
  const directory = mkdtempSync(join(root, '.waggle', 'clients-'))
  let swarm: SwarmHere
  before(async () => {
    const [, bees = ''] = page.match(/```yaml\n[\s\S]*?gateway-input[^\n]*\n([\s\S]*?)```/) ?? []
    swarm = await SwarmHere.open(
      {},
      { name: 'hello', bees, files: { 'greet.mjs': greet, 'count.mjs': /```js\n([\s\S]*?)```/.exec(page)?.[1] ?? '' } },
    )
  })
  after(async () => {
    await swarm[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
  })

  it('has Python examples with the shown results', { skip: skipWithoutPython }, async () => {
    const file = join(directory, 'page.md')
    writeFileSync(file, here(page))
    const { stdout } = await run('python3', [join(root, 'test', 'support', 'python_page.py'), file], { cwd: tmpdir(), env: sdkEnvironment })
    assert.match(stdout, /^\d+ examples$/m)
  })

  it('has TypeScript examples that print the shown output', async () => {
    const printed: string[] = []
    for (const [at, [, source = '']] of [...page.matchAll(/```ts\n([\s\S]*?)```/g)].entries()) {
      const file = join(directory, `example-${at}.ts`)
      writeFileSync(file, here(source))
      printed.push((await run(process.execPath, [file])).stdout.trim())
    }
    const [, shown] = page.match(/It prints `(.*?)`\./) ?? []
    assert.deepEqual(printed, [shown, '0 1 2'])
  })

  it('lists every error class', () => {
    const exported = Object.keys(client).filter((name) => name !== 'Gateway')
    const listed = [...page.matchAll(/^\| (`[A-Z]\w+`(?:, `[A-Z]\w+`)*) \|/gm)].flatMap(([, names = '']) => names.match(/\w+/g) ?? [])
    assert.deepEqual(listed.toSorted(), exported.toSorted())
  })

  function here(text: string): string {
    return text.replaceAll('http://127.0.0.1:8080', swarm.url)
  }
})

const greet = `import { Refused } from '${join(root, 'bees', 'index.ts')}'
export default function greet(input) {
  if (typeof input?.name !== 'string') throw new Refused('Send {"name": "…"}')
  return { greeting: \`Hello, \${input.name}!\` }
}
`
