import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { loadConfig } from '../../../ops/config/config.ts'
import { settings } from '../../../ops/config/settings.ts'
import { kubernetesTools } from '../../support/kubernetes-tools.ts'
import { codeBlocks } from '../../support/page-steps.ts'

const deploy = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'deploy')
const chart = join(deploy, 'helm', 'waggle')
const base = join(deploy, 'kubernetes', 'base', 'waggle.yaml')
const tools = kubernetesTools()

interface Resource {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly replicas?: number
    readonly maxUnavailable?: number
    readonly triggers?: readonly { readonly metadata: { readonly query: string; readonly threshold: string } }[]
    readonly template?: { readonly spec: PodSpec }
  }
}

interface PodSpec {
  readonly securityContext: { readonly runAsNonRoot: boolean }
  readonly containers: readonly {
    readonly env: readonly { readonly name: string; readonly value: string }[]
    readonly resources: { readonly limits: { readonly [resource: string]: unknown } }
    readonly securityContext: { readonly readOnlyRootFilesystem: boolean; readonly allowPrivilegeEscalation: boolean }
    readonly [probe: string]: unknown
  }[]
}

if ('missing' in tools) {
  describe('The files for Kubernetes', () => {
    if (process.env.CI === 'true') it('are checked by helm and kubeconform', () => Promise.reject(new Error(tools.missing)))
    else it('are checked by helm and kubeconform', { skip: tools.missing }, () => {})
  })
} else {
  describe('The files for Kubernetes', () => {
    const scratch = mkdtempSync(join(tmpdir(), 'waggle-values-'))
    after(() => rmSync(scratch, { recursive: true, force: true }))
    const template = (...options: readonly string[]) =>
      spawnSync(tools.helm, ['template', 'waggle', chart, '--kube-version', '1.33', ...options], { encoding: 'utf8' })
    const rendered = (...options: readonly string[]) => {
      const { status, stdout, stderr } = template(...options)
      assert.equal(status, 0, stderr)
      return stdout
    }
    const resourcesIn = (text: string) =>
      parseAllDocuments(text).flatMap((document) => (document.contents === null ? [] : [document.toJS() as Resource]))
    const check = (text: string) => {
      const { status, stdout } = spawnSync(tools.kubeconform, ['-strict', '-summary', '-schema-location', tools.schemas, '-'], {
        input: text,
        encoding: 'utf8',
      })
      return { status, stdout }
    }
    const everything = [
      ...['secretsSecret=waggle-secrets', 'secretsKeySecret=waggle-key', 'swarmsConfigMap=swarms', 'hosts={waggle.example.org}'],
      ...['groups.cpu.autoscaling.enabled=true', 'groups.cpu.autoscaling.swarm=teddy', 'groups.gpu.gpus=2', 'groups.gpu.replicas=1'],
      ...['groups.gpu.tolerations[0].key=nvidia.com/gpu', 'groups.gpu.tolerations[0].operator=Exists', 'groups.gpu.env.WAGGLE_GPU=require'],
    ].flatMap((one) => ['--set', one])

    it('match the schemas of Kubernetes and of KEDA, with every combination of options', () => {
      for (const text of [rendered(), rendered(...everything), readFileSync(base, 'utf8')]) {
        const { status, stdout } = check(text)
        assert.equal(status, 0, stdout)
        assert.match(stdout, /Invalid: 0, Errors: 0, Skipped: 0/)
      }
      assert.notEqual(check(rendered().replace('readOnlyRootFilesystem', 'readOnlyRoot')).status, 0)
      assert.notEqual(check(rendered(...everything).replace('minReplicaCount', 'leastReplicas')).status, 0)
    })

    it('match them with the values of the page for operators', () => {
      const page = readFileSync(resolve(deploy, '..', '..', 'docs', 'operate', 'kubernetes.md'), 'utf8')
      const files = codeBlocks(page).filter(({ language }) => language === 'yaml')
      assert.equal(files.length, 1)
      for (const { text } of files) {
        writeFileSync(join(scratch, 'page.yaml'), text)
        const { status, stdout } = check(rendered('--values', join(scratch, 'page.yaml')))
        assert.equal(status, 0, stdout)
      }
    })

    it('are the same in the Kustomize base as the chart’s output for its default values', () => {
      assert.equal(readFileSync(base, 'utf8'), rendered())
    })

    it('have a Deployment and a budget for each group, with its GPUs, and a ScaledObject for each group that scales', () => {
      const resources = resourcesIn(rendered(...everything))
      const named = (kind: string) => resources.filter((one) => one.kind === kind).map(({ metadata }) => metadata.name)
      assert.deepEqual(named('Deployment'), ['waggle-cpu', 'waggle-gpu'])
      assert.deepEqual(named('PodDisruptionBudget'), ['waggle-cpu', 'waggle-gpu'])
      assert.deepEqual(named('ScaledObject'), ['waggle-cpu'])
      assert.deepEqual([named('NetworkPolicy'), named('Service')], [['waggle'], ['waggle']])
      const [cpu, gpu] = resources.filter(({ kind }) => kind === 'Deployment')
      assert.deepEqual([cpu?.spec.replicas, gpu?.spec.replicas], [undefined, 1])
      assert.equal(gpu?.spec.template?.spec.containers[0]?.resources.limits['nvidia.com/gpu'], 2)
    })

    it('run as a user without rights, on a read-only file system, with probes, and with settings that Waggle knows', () => {
      const known = new Set(settings.map(({ variable }) => variable))
      for (const { kind, spec } of resourcesIn(rendered(...everything))) {
        if (kind !== 'Deployment') continue
        const { securityContext, containers } = spec.template?.spec ?? assert.fail()
        const [container = assert.fail()] = containers
        assert.equal(securityContext.runAsNonRoot, true)
        assert.deepEqual([container.securityContext.readOnlyRootFilesystem, container.securityContext.allowPrivilegeEscalation], [true, false])
        for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) assert.ok(container[probe], probe)
        // The kubelet replaces $(POD_NAMESPACE) in the variables after it.
        const [first, ...variables] = container.env
        assert.equal(first?.name, 'POD_NAMESPACE')
        for (const { name } of variables) assert.ok(known.has(name), name)
        const env = Object.fromEntries(variables.map(({ name, value }) => [name, value.replaceAll('$(POD_NAMESPACE)', 'bees')]))
        const config = loadConfig({ directories: [], env: { ...env, WAGGLE_TOKENS_FILE: '', WAGGLE_SECRETS_KEY_FILE: '' } })
        assert.deepEqual([config.settings.log, config.settings.host], ['kafka', '0.0.0.0'])
      }
    })

    it('have each variable once, as the text that was given, and large numbers without an exponent', () => {
      const file = join(scratch, 'values.yaml')
      writeFileSync(
        file,
        'env: {WAGGLE_RETENTION_BYTES: 10737418240, WAGGLE_HOST: "::", KAFKA_SSL: "on"}\ngroups: {cpu: {env: {KAFKA_SSL: "off"}}}\n',
      )
      const [{ spec } = assert.fail()] = resourcesIn(rendered('--values', file)).filter(({ kind }) => kind === 'Deployment')
      const env = spec.template?.spec.containers[0]?.env ?? []
      assert.equal(new Set(env.map(({ name }) => name)).size, env.length)
      const values = new Map(env.map(({ name, value }) => [name, value]))
      assert.deepEqual(
        ['WAGGLE_RETENTION_BYTES', 'WAGGLE_HOST', 'KAFKA_SSL'].map((name) => values.get(name)),
        ['10737418240', '::', 'off'],
      )
    })

    it('speak TLS with callers and with their probes, if a Secret has the certificate', () => {
      const [{ spec } = assert.fail()] = resourcesIn(rendered('--set', 'tlsSecret=waggle-tls')).filter(({ kind }) => kind === 'Deployment')
      const [container = assert.fail()] = spec.template?.spec.containers ?? []
      for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'])
        assert.equal((container[probe] as { readonly httpGet: { readonly scheme: string } }).httpGet.scheme, 'HTTPS', probe)
      assert.ok(container.env.some(({ name, value }) => name === 'WAGGLE_TLS_KEY' && value === '/etc/waggle/tls/tls.key'))
    })

    it('are not made of values that are misspelt, of a wrong type, or set by the chart itself', () => {
      for (const [set, message] of [
        ['secretSecret=x', /secretSecret/],
        ['groups.cpu.replica=2', /replica/],
        ['tokensSecret=', /tokensSecret/],
        ['shutdownSeconds=soon', /shutdownSeconds/],
        ['env.WAGGLE_HTTP_PORT=80', /WAGGLE_HTTP_PORT/],
        ['groups.Cpu.replicas=2', /Cpu/],
        ['groups.cpu.autoscaling.minReplicas=0', /minReplicas/],
      ] as const) {
        const { status, stderr } = template('--set', set)
        assert.notEqual(status, 0, set)
        assert.match(stderr, message)
      }
    })

    it('scale on metrics that Waggle provides', () => {
      const telemetry = readFileSync(resolve(deploy, '..', 'telemetry', 'telemetry.ts'), 'utf8')
      const [trigger] = resourcesIn(rendered(...everything)).flatMap(({ spec }) => spec.triggers ?? [])
      const names = [...(trigger?.metadata.query ?? '').matchAll(/waggle_\w+/g)].map(([name]) => name)
      assert.equal(names.length, 2)
      for (const name of names) assert.ok(telemetry.includes(`'${name}'`), name)
      assert.match(trigger?.metadata.query ?? '', /\{swarm="teddy"\}/)
    })
  })
}
