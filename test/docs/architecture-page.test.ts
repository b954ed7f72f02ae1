import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { describe, it } from 'node:test'
import { BeeRegistry } from '../../bees/registry.ts'
import { checkSwarm } from '../../topology/swarm/check/check-swarm.ts'
import { planSwarm } from '../../topology/swarm/plan/plan.ts'
import { SwarmDocument } from '../../topology/swarm/swarm-document.ts'

const root = resolve(import.meta.dirname, '..', '..')
const page = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8')
const files = globSync('{topology,processor,bees,connectors,ops,examples,test}/**/*.{ts,mjs,py}', { cwd: root, exclude: ['**/node_modules/**'] }).map(
  (file) => file.split(sep).join('/'),
)
const folders = new Set(files.flatMap(foldersOf))
const sources = new Map<string, string>()

/** The page's sections. `folder` is the folder in the section's heading, or empty. */
const sections = page.split(/^(?=## )/m).map((text) => ({ folder: /^## .*`([\w/-]+\/)`/.exec(text)?.[1] ?? '', text }))

describe('The page about the architecture', () => {
  it('names only files and folders that exist, and each name matches only one of them', () => {
    const named = sections.flatMap(({ folder, text }) =>
      [...text.matchAll(/`([\w./-]+(?:\.(?:ts|py)|\/))`/g)].map(([, path = '']) => ({ folder, path })),
    )
    assert.ok(named.length > 100, `${named.length} files and folders are named`)
    const wrong = named.flatMap(({ folder, path }) => {
      const found = pathsOf(path, folder)
      return found.length === 1 ? [] : [`${path} (under ${folder || 'no folder'}): ${found.join(', ') || 'nothing'}`]
    })
    assert.deepEqual(wrong, [])
  })

  it('names only functions that the named file or type contains', () => {
    const owned = [...page.matchAll(/(?<![\w./-])([a-z]+(?:-[a-z]+)*|[A-Z]\w+)\.([a-z]\w*)\b(?!\.)/g)].map(([, owner = '', member = '']) => ({
      owner,
      member,
    }))
    const named = owned.filter(({ owner, member }) => !notCode.has(owner) && !['ts', 'py', 'md', 'yaml'].includes(member))
    assert.ok(named.length >= 8, `${named.length} functions are named`)
    const wrong = named.filter(({ owner, member }) => {
      const owners = /^[A-Z]/.test(owner) ? declaring(owner) : files.filter((file) => file.endsWith(`/${owner}.ts`))
      return !owners.some((file) => new RegExp(`^\\s*(?:export |readonly |async |get |function )*${member}\\b\\??[(:<]`, 'm').test(sourceOf(file)))
    })
    assert.deepEqual(wrong, [])
  })

  it('names only files in its diagrams', () => {
    const diagrams = [...page.matchAll(/^```\n([\s\S]*?)^```/gm)].map(([, text = '']) => text)
    const named = diagrams.flatMap((text) => [...text.matchAll(/(?<![\w-])[a-z]+(?:-[a-z]+)+(?![\w-])/g)].map(([name]) => name))
    assert.ok(named.length >= 6, `${named.length} files are named`)
    assert.deepEqual(
      named.filter((name) => !files.some((file) => file.endsWith(`/${name}.ts`))),
      [],
    )
  })

  it('names only types that exist', () => {
    const named = [...page.matchAll(/`([A-Z][a-z]\w+)`/g)].map(([, name = '']) => name)
    assert.ok(named.length > 10, `${named.length} types are named`)
    assert.deepEqual(
      named.filter((name) => declaring(name).length === 0),
      [],
    )
  })

  it('shows the sub-topologies of the teddy swarm as the planner makes them', () => {
    const file = join(root, 'swarms', 'teddy-bear-detector', 'swarm.yaml')
    const swarm = checkSwarm(SwarmDocument.parse(readFileSync(file, 'utf8'), file), new BeeRegistry())
    const plan = planSwarm(swarm, { partitions: 1, retentionMs: 1, retentionBytes: null, answerPartitions: 1 })
    const rows = [...page.matchAll(/^\| \d+ \|.*$/gm)].map(([line]) => line.split('|').slice(1, -1).map(namesIn))
    assert.deepEqual(
      rows,
      plan.subtopologies.map(({ id, bees, sources: read, sinks, stores }) => [[String(id)], bees, read, sinks, stores]),
    )
    const failing = new Set(plan.topics.find(({ name }) => name.endsWith('.dead-letters'))?.writers)
    for (const { id, bees } of plan.subtopologies)
      assert.ok(
        bees.some((bee) => failing.has(bee)),
        `Row ${id} writes no dead letters`,
      )
    const [answering] = plan.topics.find(({ name }) => name === plan.repliesTopic)?.writers ?? []
    assert.equal(plan.subtopologies.find(({ bees }) => bees.includes(answering ?? ''))?.id, 4)
  })
})

/** Names before a dot that are not code: the first part of a topic's name. */
const notCode = new Set(['waggle'])

/** The files or folders that a path may stand for: from the root, else below the section's folder, else anywhere outside of tests. */
function pathsOf(path: string, folder: string): readonly string[] {
  const all = path.endsWith('/') ? [...folders] : files
  if (all.includes(path)) return [path]
  const name = `/${path.replace(/^(\.\.\/)+/, '')}`
  const below = all.filter((one) => folder !== '' && one.startsWith(folder) && one.endsWith(name))
  return below.length > 0 ? below : all.filter((one) => !one.startsWith('test/') && one.endsWith(name))
}

function foldersOf(file: string): readonly string[] {
  const folder = dirname(file)
  return folder === '.' ? [] : [`${folder}/`, ...foldersOf(folder)]
}

function declaring(type: string): readonly string[] {
  const declaration = new RegExp(`^export (?:abstract |declare )?(?:class|interface|type|const|function) ${type}\\b`, 'm')
  return files.filter((file) => !file.startsWith('test/') && declaration.test(sourceOf(file)))
}

function sourceOf(file: string): string {
  const source = sources.get(file) ?? readFileSync(join(root, file), 'utf8')
  sources.set(file, source)
  return source
}

/** The names in a cell, without quotes. `…` stands for the prefix of the swarm's topics. */
function namesIn(cell: string): readonly string[] {
  return cell
    .replaceAll('`', '')
    .replaceAll('…', 'waggle.teddy-bear-detector')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}
