import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { startApicurio } from '../support/apicurio.ts'
import { cloneToUse } from '../support/packed-clone.ts'
import { PageReader, type PageReaderOptions } from '../support/page-reader.ts'
import { pageSections } from '../support/page-steps.ts'
import { skipWithoutPython } from '../support/python-bee.ts'

const root = resolve(import.meta.dirname, '..', '..')
const directory = mkdtempSync(join(tmpdir(), 'waggle-followed-'))
const home = join(directory, 'home')
const programs = join(directory, 'programs')
const clone = join(home, 'waggle')
const { NODE_TEST_CONTEXT: _context, ...inherited } = process.env
const env = { ...inherited, PATH: [programs, dirname(process.execPath), process.env.PATH].join(delimiter), npm_config_prefer_offline: 'true' }
mkdirSync(home)
mkdirSync(programs)
cloneToUse(clone)
symlinkSync(join(root, 'swarms'), join(clone, 'swarms'))
writeFileSync(join(programs, 'waggle'), `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'ops', 'cli', 'main.ts')}' "$@"\n`, { mode: 0o755 })
after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))

/** A folder for the commands of a page, with these files and copies of folders of the repository. */
function folder(
  name: string,
  { files = {}, copies = [] }: { readonly files?: { readonly [name: string]: string }; readonly copies?: readonly string[] } = {},
) {
  const place = join(home, name)
  mkdirSync(place, { recursive: true })
  for (const [file, text] of Object.entries(files)) writeFileSync(join(place, file), text)
  for (const path of copies) cpSync(join(root, path), join(place, path), { recursive: true })
  return place
}

/** Types commands that the page leaves to its reader, and then all that the page or one of its sections has. */
async function follow(
  page: string,
  {
    section,
    first = [],
    ...options
  }: Pick<PageReaderOptions, 'directory' | 'env' | 'values'> & { readonly section?: string; readonly first?: readonly string[] },
): Promise<void> {
  const text = readFileSync(join(root, 'docs', page), 'utf8')
  const parts = section === undefined ? [text] : text.split(/^(?=## )/m).filter((part) => part.startsWith(`## ${section}\n`))
  const steps = parts.flatMap(pageSections).flatMap((one) => one.steps)
  assert.ok(steps.length > 0, `${page} has no such section`)
  const reader = new PageReader({ ...options, note: join(directory, `${page.replaceAll('/', '-')}.folder`) })
  try {
    for (const script of first) await reader.take({ kind: 'run', line: 0, script, shown: null, isEventual: false })
    for (const step of steps) await reader.take(step)
    await reader.stopAll()
  } finally {
    await reader.close()
  }
}

const failing = `export default ({ name }) => {
  if (name === 'wasp') throw new Error('no wasps')
  return { greeting: name }
}
`
const failingSwarm = `name: hello-world
bees:
  - {name: input, type: gateway-input, spec: {name: hello}}
  - {name: greet, type: module, input: {name: input}, spec: {file: ./greet.mjs}}
  - {name: answer, type: respond, input: {name: greet}}
`

describe('A reader who types what a page has gets what it shows:', () => {
  it('docs/operate/serve.md', { timeout: 240_000 }, async () => {
    const place = folder('team', { copies: ['swarms/hello-world'] })
    await follow('operate/serve.md', { directory: place, env: { ...env, HOME: home } })
    assert.match(readFileSync(join(home, '.local/share/bash-completion/completions/waggle'), 'utf8'), /complete .*waggle/)
  })

  it('docs/operate/large-payloads.md', { timeout: 240_000 }, async () => {
    await follow('operate/large-payloads.md', { directory: folder('large'), env })
  })

  it('docs/operations.md, about topics and dead letters', { timeout: 240_000 }, async () => {
    folder('failing', { files: { 'greet.mjs': failing, 'swarm.yaml': failingSwarm } })
    const ask = (name: string) =>
      `curl -sS -H 'content-type: application/json' -d '{"name": "${name}"}' http://127.0.0.1:8080/v1/gateways/hello/request`
    await follow('operations.md', {
      section: 'Topics and dead letters',
      directory: clone,
      // With one partition, the ids of the letters are those of the page.
      env: { ...env, WAGGLE_PARTITIONS: '1' },
      first: ['npm run -s waggle -- run ../failing/swarm.yaml', ...['wasp', 'wasp', 'bee', 'bee', 'bee'].map(ask)],
    })
  })

  it('docs/schema-registry.md, about the predictions of a swarm', { timeout: 280_000 }, async (context) => {
    const registry = await startApicurio()
    if ('missing' in registry) return context.skip(registry.missing)
    try {
      await follow('schema-registry.md', {
        section: 'Predictions of a swarm',
        directory: clone,
        env: { ...env, WAGGLE_DATA_DIR: join(directory, 'registry-data') },
        values: new Map([['http://localhost:8085/apis/ccompat/v7', registry.url]]),
      })
    } finally {
      await registry.stop()
    }
  })

  it('docs/bee-packages.md', { timeout: 600_000, skip: skipWithoutPython }, async () => {
    cpSync(join(root, 'examples', 'waggle-bee-words'), join(clone, 'examples', 'waggle-bee-words'), { recursive: true })
    await follow('bee-packages.md', { directory: clone, env, first: ['npm run -s waggle -- init ../texts\ncd ../texts\nnpm install'] })
  })
})
