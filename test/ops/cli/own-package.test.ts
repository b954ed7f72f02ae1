import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { ownPackage, serveOwnPackage } from '../../../topology/own-package.ts'
import { Refused } from '../../../topology/waggle-error.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

describe('A module outside of the repository', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-elsewhere-'))
  after(() => rmSync(directory, { recursive: true }))

  it('imports the Waggle that runs it, even if another Waggle is installed beside it', async () => {
    const other = join(directory, 'node_modules', 'waggle-streams')
    mkdirSync(other, { recursive: true })
    writeFileSync(join(other, 'package.json'), '{"name":"waggle-streams","type":"module","exports":"./index.js"}')
    writeFileSync(join(other, 'index.js'), 'export class Refused {}')
    const file = join(directory, 'module.ts')
    writeFileSync(file, `export { Refused } from 'waggle-streams'\nexport { TopologyTestDriver } from 'waggle-streams/testing'\n`)
    serveOwnPackage()
    const loaded = (await import(pathToFileURL(file).href)) as { readonly Refused: unknown }
    assert.equal(loaded.Refused, Refused)
  })

  it('can be a bee of waggle run', async () => {
    writeFileSync(
      join(directory, 'swarm.yaml'),
      `name: elsewhere
bees:
  - { name: input, type: gateway-input, spec: { name: door } }
  - { name: bee, type: module, input: { name: input }, spec: { file: ./bee.ts } }
  - { name: answer, type: respond, input: { name: bee } }
`,
    )
    writeFileSync(join(directory, 'bee.ts'), `import { Refused } from 'waggle-streams'\nexport default () => { throw new Refused('not today') }\n`)
    const program = await MeasuredProgram.start([main, 'run', join(directory, 'swarm.yaml'), '--json'], {
      WAGGLE_DATA_DIR: join(directory, 'data'),
      WAGGLE_HTTP_PORT: '0',
    })
    try {
      const answer = await fetch(`${program.ready.gateway}/v1/gateways/door/request`, {
        method: 'POST',
        body: '{}',
        headers: { 'content-type': 'application/json' },
      })
      assert.equal(answer.status, 422)
    } finally {
      assert.equal(await program.stop(), 0)
    }
  })
})

it('waggle --version prints the version of package.json', () => {
  assert.equal(spawnSync(process.execPath, [main, '--version'], { encoding: 'utf8' }).stdout, `${ownPackage.version}\n`)
})
