import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { loadConfig } from '../../../ops/config/config.ts'
import { settings } from '../../../ops/config/settings.ts'
import { kubernetesTools } from '../../support/kubernetes-tools.ts'

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
    const rendered = (...set: readonly string[]) => {
      const argv = ['template', 'waggle', chart, '--kube-version', '1.33', ...set.flatMap((one) => ['--set', one])]
      const { status, stdout, stderr } = spawnSync(tools.helm, argv, { encoding: 'utf8' })
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
    ]

    it('match the schemas of Kubernetes and of KEDA, with every combination of options', () => {
      for (const text of [rendered(), rendered(...everything), readFileSync(base, 'utf8')]) {
        const { status, stdout } = check(text)
        assert.equal(status, 0, stdout)
        assert.match(stdout, /Invalid: 0, Errors: 0, Skipped: 0/)
      }
      assert.notEqual(check(rendered().replace('readOnlyRootFilesystem', 'readOnlyRoot')).status, 0)
      assert.notEqual(check(rendered(...everything).replace('minReplicaCount', 'leastReplicas')).status, 0)
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
        for (const { name } of container.env) assert.ok(known.has(name), name)
        const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))
        const config = loadConfig({ directories: [], env: { ...env, WAGGLE_TOKENS_FILE: '', WAGGLE_SECRETS_KEY_FILE: '' } })
        assert.deepEqual([config.settings.log, config.settings.host], ['kafka', '0.0.0.0'])
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
