import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { startApicurio } from '../support/apicurio.ts'

const root = resolve(import.meta.dirname, '..', '..')
// The folder is inside the package, so that programs can import the package by its name.
mkdirSync(join(root, '.waggle'), { recursive: true })
const directory = mkdtempSync(join(root, '.waggle', 'docs-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const blocks = (file: string) => [...readFileSync(join(root, 'docs', file), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')

const [opening = '', ...programs] = blocks('from-java.md')
const files = [
  ...programs.map((program, at) => {
    const isBuilt =
      '\nexport const topology = builder.build()\nvoid [Joined, JoinWindows, Materialized, Repartitioned, SessionWindows, StreamJoined, Stores]\nvoid [Grouped, Produced, Suppressed, BufferConfig, TimeWindows, read, written]\n'
    return { name: `from-java-${at + 1}.ts`, text: `${opening}${program}${isBuilt}` }
  }),
  ...blocks('kafka-streams.md').map((program, at) => ({ name: `kafka-streams-${at + 1}.ts`, text: program })),
  ...blocks('stream-bees.md').map((program, at) => ({ name: `stream-bees-${at + 1}.ts`, text: program })),
  ...blocks('testing.md').map((program, at) => ({ name: `testing-${at + 1}.ts`, text: program })),
]
const registryPrograms = blocks('schema-registry.md').map((text, at) => ({ name: `schema-registry-${at + 1}.ts`, text }))
const registry = await startApicurio()
after(async () => {
  if (!('missing' in registry)) await registry.stop()
})
const registryUrl = 'missing' in registry ? '' : registry.url
for (const { name, text } of registryPrograms)
  writeFileSync(join(directory, name), text.replace('http://localhost:8080/apis/ccompat/v7', registryUrl).replace('.waggle/', `${directory}/`))
for (const { name, text } of files) writeFileSync(join(directory, name), text)

describe('Each TypeScript program of the documentation', () => {
  it('compiles', () => {
    const config = { extends: join(root, 'tsconfig.json'), include: ['*.ts', join(root, 'connectors/**/*.d.ts')] }
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config))
    const { status, stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--noEmit', '-p', directory], {
      encoding: 'utf8',
    })
    assert.equal(status, 0, stdout)
  })

  for (const { name } of files) {
    it(`runs: ${name}`, async () => {
      await import(pathToFileURL(join(directory, name)).href)
    })
  }

  for (const { name } of registryPrograms) {
    it(`runs with a schema registry: ${name}`, { skip: 'missing' in registry ? registry.missing : false }, async () => {
      await import(pathToFileURL(join(directory, name)).href)
    })
  }
})
