import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import { Beekeeper } from '../beekeeper/beekeeper.ts'
import { loadConfig } from '../config/config.ts'

/** The parts of a description by OpenAPI 3.1 that the page shows. */
export interface ApiDescription {
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } }
}

interface Operation {
  readonly summary?: string
  readonly tags?: readonly string[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content?: { readonly [type: string]: unknown } }
  /** Each permission that a caller may need, as a role of the token. */
  readonly security?: readonly { readonly bearer?: readonly string[] }[]
  readonly responses: { readonly [status: string]: { readonly description?: string; readonly content?: { readonly [type: string]: unknown } } }
}

interface Parameter {
  readonly in: string
  readonly name: string
  readonly required?: boolean
  readonly description?: string
  readonly schema?: { readonly enum?: readonly string[]; readonly minimum?: number; readonly maximum?: number; readonly description?: string }
}

/** The content of `docs/api.md`: every operation of the API with its permission, parameters, body and good answers. */
export function apiPage({ paths }: ApiDescription): string {
  const groups = new Map<string, string[]>()
  for (const [path, operations] of Object.entries(paths))
    for (const [method, operation] of Object.entries(operations)) {
      const [tag = 'more'] = operation.tags ?? []
      const rows = groups.get(tag) ?? []
      rows.push(rowOf(`${method.toUpperCase()} ${path}`, operation))
      groups.set(tag, rows)
    }
  const sections = [...groups].map(
    ([tag, rows]) =>
      `## ${titles.get(tag) ?? tag}\n\n| call | | scope | parameters | body | answer |\n| --- | --- | --- | --- | --- | --- |\n${rows.join('\n')}`,
  )
  return `${preface}\n\n${sections.join('\n\n')}\n`
}

function rowOf(call: string, { summary = '', parameters = [], requestBody, security = [], responses }: Operation): string {
  const scope = security.flatMap(({ bearer = [] }) => bearer).map((name) => `\`${name}\``)
  // The parameters of the path are in its name.
  const named = parameters.filter(({ in: place }) => place !== 'path').map(parameterText)
  const bodies = Object.keys(requestBody?.content ?? {}).map((type) => `\`${type}\``)
  const answers = Object.entries(responses)
    .filter(([status]) => status !== 'default')
    .map(([status, { content = {} }]) => [status, ...Object.keys(content).map((type) => `\`${type}\``)].join(' '))
  const cells = [`\`${call}\``, `${summary}.`, scope.join(', ') || 'none', named.join('<br>'), bodies.join(', '), answers.join('<br>')]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('{{', '{ {')).join(' | ')} |`
}

function parameterText({ in: place, name, required = false, schema = {}, description = schema.description }: Parameter): string {
  const { enum: names, minimum, maximum } = schema
  const bounds = minimum === undefined || maximum === undefined ? '' : `${minimum} to ${maximum}`
  const values = names === undefined ? bounds : names.join(', ')
  const about = [required ? 'needed' : '', values, description ?? ''].filter((text) => text !== '')
  return `\`${place === 'header' ? name : `?${name}=`}\`${about.length === 0 ? '' : `: ${about.join('; ')}`}`
}

/** The description that a server with every route gives of itself. */
export async function ownDescription(): Promise<ApiDescription> {
  const root = mkdtempSync(join(tmpdir(), 'waggle-api-'))
  const env = { WAGGLE_HTTP_PORT: '0', WAGGLE_CLICKHOUSE_PORT: '0', WAGGLE_DATA_DIR: join(root, 'data'), WAGGLE_SHUTDOWN_SECONDS: '0' }
  try {
    const { settings } = loadConfig({ directories: [root], env })
    const beekeeper = await Beekeeper.open({
      settings,
      swarms: [],
      logLevels: { text: settings.log_level, set: () => {} },
      server: { root, env },
      say: () => {},
      redaction: new Redaction(new Map()),
      onProgress: () => {},
    })
    try {
      for (let attempt = 1; ; attempt += 1) {
        const answer = await fetch(`${beekeeper.url}/openapi.json`)
        if (answer.ok) return (await answer.json()) as ApiDescription
        const text = await answer.text()
        // A busy machine holds up the event loop at the start, and the process refuses calls for a moment.
        if (answer.status !== 503 || attempt === maxAttempts) throw new Error(`/openapi.json answers ${answer.status}: ${text}`)
        await pause(200)
      }
    } finally {
      await beekeeper.close()
    }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

const maxAttempts = 100

const titles: ReadonlyMap<string, string> = new Map([
  ['gateways', 'Gateways'],
  ['requests', 'Requests'],
  ['health', 'Health and metrics'],
  ['inference', 'Open Inference Protocol'],
  ['swarms', 'Swarms of a server'],
  ['management', 'For operators'],
])

const preface = `# The API

A process answers these calls on its HTTP port. \`GET /openapi.json\` of a running process describes them for programs, with the schemas of bodies and answers (OpenAPI 3.1).

*Scope* is what a token must have: \`ask\` is \`ask:GATEWAY\` of the gateway in the path, and \`own\` that the request is the caller's own, or \`read\`. Without tokens, the calls with \`read\` and \`manage\` answer
callers of this machine alone ([access.md](access.md)). Every other answer is \`application/problem+json\` with a code of [errors.md](errors.md). Every answer has \`X-Request-Id\`.
[Clients](clients.md) for Python and TypeScript make the calls to gateways; [protocols.md](protocols.md) has gRPC and the Open Inference Protocol.

<!-- This page is made from the routes in connectors/gateway/http/ by \`node ops/check/api-page.ts --write\`. -->`

if (import.meta.main) {
  const path = resolve(import.meta.dirname, '..', '..', 'docs/api.md')
  const page = apiPage(await ownDescription())
  if (process.argv.includes('--write')) writeFileSync(path, page)
  else if (readFileSync(path, 'utf8') !== page) {
    process.stderr.write('docs/api.md is stale: run `node ops/check/api-page.ts --write`.\n')
    process.exitCode = 1
  }
}
