import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { goCommand } from '../../ops/setup/go-command.ts'

/** Programs and schemas that check files for Kubernetes without a cluster. */
export interface KubernetesTools {
  readonly helm: string
  readonly kubeconform: string
  /** The template of a schema's path, in the form of kubeconform. */
  readonly schemas: string
}

/** The tools, or the reason why they are not available. They are built and downloaded once, into a cache of the user. */
export function kubernetesTools(): KubernetesTools | { readonly missing: string } {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'waggle')
  const directory = join(cache, `kubernetes-${helmVersion}-${kubeconformVersion}-${schemaVersion}-${kedaVersion}`)
  const tools = {
    helm: join(directory, 'helm'),
    kubeconform: join(directory, 'kubeconform'),
    schemas: join(directory, 'schemas', '{{.ResourceKind}}{{.KindSuffix}}.json'),
  }
  if (existsSync(directory)) return tools
  for (const [program, argv] of [
    [goCommand, ['version']],
    ['python3', ['-m', 'pip', '--version']],
  ] as const)
    if (spawnSync(program, argv).status !== 0) return { missing: `helm and kubeconform cannot be had: ${program} is not on this machine` }
  mkdirSync(cache, { recursive: true })
  const made = mkdtempSync(join(cache, 'fetch-'))
  try {
    const env = { ...process.env, GOBIN: made, GOFLAGS: '-buildvcs=false' }
    for (const name of [`helm.sh/helm/v3/cmd/helm@v${helmVersion}`, `github.com/yannh/kubeconform/cmd/kubeconform@v${kubeconformVersion}`])
      run(goCommand, ['install', name], { env })
    mkdirSync(join(made, 'schemas'))
    writeSchemas(made)
    writeScaledObject(made)
    if (!existsSync(directory)) renameSync(made, directory)
    return tools
  } catch (error) {
    return { missing: `helm and kubeconform cannot be had: ${String(error)}` }
  } finally {
    rmSync(made, { recursive: true, force: true })
  }
}

/** Writes the schemas of the kinds that Waggle's files use. They come from a PyPI package that contains the schemas of Kubernetes. */
function writeSchemas(folder: string): void {
  run('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', folder, `kubernetes-validate==${schemaVersion}.0`], {})
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl')) ?? ''
  run('python3', ['-m', 'zipfile', '-e', join(folder, wheel), join(folder, 'wheel')], {})
  const text = readFileSync(
    join(folder, 'wheel', 'kubernetes_validate', 'kubernetes-json-schema', `v${schemaVersion}.0-local-strict`, '_definitions.json'),
    'utf8',
  )
  const { $defs } = JSON.parse(text.replaceAll('/api/_definitions.json#', '#').replaceAll('"_definitions.json#', '"#')) as { readonly $defs: object }
  for (const [file, name] of Object.entries(kinds))
    writeFileSync(join(folder, 'schemas', `${file}.json`), JSON.stringify({ $ref: `#/$defs/io.k8s.api.${name}`, $defs }))
  rmSync(join(folder, 'wheel'), { recursive: true })
  rmSync(join(folder, wheel))
}

/** The definition of KEDA's ScaledObject, which is in KEDA's Go module, as an API server takes it. */
export function scaledObjectDefinition(): string {
  const { Dir } = JSON.parse(run(goCommand, ['mod', 'download', '-json', `github.com/kedacore/keda/v2@v${kedaVersion}`], {})) as {
    readonly Dir: string
  }
  return readFileSync(join(Dir, 'config', 'crd', 'bases', 'keda.sh_scaledobjects.yaml'), 'utf8')
}

/** Writes the schema of KEDA's ScaledObject. */
function writeScaledObject(folder: string): void {
  const crd = parse(scaledObjectDefinition()) as {
    readonly spec: { readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: object } }[] }
  }
  const schema = crd.spec.versions.find(({ name }) => name === 'v1alpha1')?.schema.openAPIV3Schema
  if (schema === undefined) throw new Error('KEDA has no ScaledObject of v1alpha1')
  writeFileSync(join(folder, 'schemas', 'scaledobject-keda-v1alpha1.json'), JSON.stringify(closed(schema)))
}

/** A schema that refuses unknown properties, as the API server does with strict field validation. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const members = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]))
  const isOpen = 'additionalProperties' in members || 'x-kubernetes-preserve-unknown-fields' in members || !('properties' in members)
  // `metadata` has no properties in the schema, because the API server knows them.
  return isOpen ? members : { ...members, additionalProperties: false }
}

function run(program: string, argv: readonly string[], options: { readonly env?: NodeJS.ProcessEnv }): string {
  const { status, stdout, stderr, error } = spawnSync(program, argv, { encoding: 'utf8', timeout: 900_000, ...options })
  if (status !== 0) throw new Error(`${program} ${argv.join(' ')}: ${error?.message ?? stderr.slice(-500)}`)
  return stdout
}

const kinds: { readonly [file: string]: string } = {
  'deployment-apps-v1': 'apps.v1.Deployment',
  'service-v1': 'core.v1.Service',
  'networkpolicy-networking-v1': 'networking.v1.NetworkPolicy',
  'poddisruptionbudget-policy-v1': 'policy.v1.PodDisruptionBudget',
}
const helmVersion = '3.21.4'
const kubeconformVersion = '0.8.0'
const schemaVersion = '1.37'
const kedaVersion = '2.20.2'
