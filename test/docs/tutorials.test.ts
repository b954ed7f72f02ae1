import assert from 'node:assert/strict'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { packagesOf } from '../../ops/convert/conversion-packages.ts'
import { ended, pythonEnvironment } from '../../ops/convert/python-environment.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { freePort } from '../support/free-port.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { kubernetesTools } from '../support/kubernetes-tools.ts'
import { cloneToUse } from '../support/packed-clone.ts'
import { PageReader } from '../support/page-reader.ts'
import { codeBlocks, pageSections } from '../support/page-steps.ts'
import { skipWithoutPython } from '../support/python-bee.ts'

const pages = resolve(import.meta.dirname, '..', '..', 'docs', 'tutorial')
const directory = mkdtempSync(join(tmpdir(), 'waggle-tutorials-'))
const home = join(directory, 'home')
const { NODE_TEST_CONTEXT: _context, ...inherited } = process.env
const env = { ...inherited, PATH: dirname(process.execPath) + delimiter + (process.env.PATH ?? ''), npm_config_prefer_offline: 'true' }
mkdirSync(home)
cloneToUse(join(home, 'waggle'))
after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))

interface Preparation {
  /** A folder with programs that the page's commands find first. */
  readonly programs?: string
  readonly values?: ReadonlyMap<string, string>
  /** The reason why the page cannot be followed here. */
  readonly missing?: string
}

/** The Python that has scikit-learn, or the reason why there is none. */
async function scikitLearn(): Promise<string | { readonly missing: string }> {
  try {
    return await pythonEnvironment({ packages: packagesOf('scikit-learn'), say: () => {} })
  } catch (thrown) {
    if (!(thrown instanceof WaggleError) || process.env.CI === 'true') throw thrown
    return { missing: thrown.message }
  }
}

/** Follows a page from the folder that has the clone, a section a test. */
function follow(page: string, prepare: () => Preparation | Promise<Preparation> = () => ({})): void {
  let reader: PageReader | null = null
  let failed: string | null = null
  before(async () => {
    const { programs, values = new Map(), missing = null } = await prepare()
    failed = missing
    const own = programs === undefined ? env : { ...env, PATH: programs + delimiter + env.PATH }
    reader = new PageReader({ directory: home, env: own, note: join(directory, `${page}.folder`), values })
  })
  after(() => reader?.close())
  for (const { title, steps } of pageSections(readFileSync(join(pages, `${page}.md`), 'utf8')))
    it(`in the section “${title}”`, { timeout: 300_000 }, async (context) => {
      if (failed !== null) return context.skip(failed)
      failed = `it stands on “${title}”, which failed`
      for (const step of steps) await reader?.take(step)
      failed = null
    })
}

it('Each page of tutorials is followed by a test here', () => {
  const followed = [...readFileSync(import.meta.filename, 'utf8').matchAll(/^ +follow\('([\w-]+)'/gm)].map(([, page]) => `${page}.md`)
  assert.deepEqual(followed.toSorted(), readdirSync(pages).toSorted())
})

describe('A newcomer who follows the tutorial of the first swarm gets what it shows', () => {
  follow('first-swarm')
})

describe('A newcomer who follows the tutorial of a model gets what it shows', () => {
  follow('own-model', async () => {
    const python = await scikitLearn()
    return typeof python === 'string' ? { programs: dirname(python) } : python
  })
})

describe('The export of a scikit-learn model in docs/models.md', () => {
  it('writes a model that validate passes', { timeout: 120_000 }, async (context) => {
    const python = await scikitLearn()
    if (typeof python !== 'string') return context.skip(python.missing)
    const exporting = codeBlocks(readFileSync(join(pages, '..', 'models.md'), 'utf8')).find(
      ({ language, notRun }) => language === 'python' && notRun === null,
    )
    const folder = join(directory, 'export')
    mkdirSync(folder)
    writeFileSync(join(folder, 'export.py'), exporting?.text ?? '')
    writeFileSync(join(folder, 'swarm.yaml'), readFileSync(join(pages, '..', '..', 'swarms', 'iris', 'swarm.yaml')))
    await ended(python, ['-c', 'import os, runpy, sys; os.chdir(sys.argv[1]); runpy.run_path("export.py")', folder], '')
    const said = await ended(process.execPath, [join(pages, '..', '..', 'ops', 'cli', 'main.ts'), 'validate', join(folder, 'swarm.yaml')], '')
    assert.match(said, /classify takes X \(FP32 \[4\]\); gives label and scores of setosa, versicolor, virginica/)
  })
})

describe('A newcomer who follows the tutorial of a Python bee gets what it shows', { skip: skipWithoutPython }, () => {
  follow('python-bee')
})

describeWithKafka('A newcomer who follows the tutorial of Kafka gets what it shows', {}, (cluster) => {
  follow('kafka', async () => ({
    values: new Map([
      ['localhost:29092', cluster().brokers.join(',')],
      ['8090', String(await freePort())],
    ]),
  }))
})

describe('A newcomer who follows the tutorial of Kubernetes gets what it shows', () => {
  follow('kubernetes', () => {
    const tools = kubernetesTools()
    if ('missing' in tools) {
      if (process.env.CI === 'true') throw new Error(tools.missing)
      return tools
    }
    const programs = join(directory, 'programs')
    mkdirSync(programs)
    cpSync(tools.helm, join(programs, 'helm'))
    // The program kubeconform fetches schemas from a server, if it is not told another place.
    writeFileSync(join(programs, 'kubeconform'), `#!/bin/sh\nexec '${tools.kubeconform}' -schema-location '${tools.schemas}' "$@"\n`)
    chmodSync(join(programs, 'kubeconform'), 0o755)
    return { programs }
  })
})
