import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { controlPlane } from '../../../ops/check/control-plane.ts'
import { type CommandResult, KubernetesCluster } from '../../support/kubernetes-cluster.ts'
import { kubernetesTools, scaledObjectDefinition } from '../../support/kubernetes-tools.ts'
import { codeBlocks } from '../../support/page-steps.ts'

const root = resolve(import.meta.dirname, '..', '..', '..')
const deploy = join(root, 'ops', 'deploy')
const chart = join(deploy, 'helm', 'waggle')
const base = join(deploy, 'kubernetes', 'base')
const overlayFolder = join(deploy, 'kubernetes', 'overlays', 'production')
const tools = kubernetesTools()
const program = controlPlane()
const missing = 'missing' in program ? program.missing : 'missing' in tools ? tools.missing : null

/** The sets of values with which the chart is installed. */
const valueSets = {
  defaults: {},
  GPUs: {
    groups: {
      gpu: { replicas: 2, gpus: 2, tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists' }], env: { WAGGLE_GPU: 'require' } },
    },
  },
  KEDA: { groups: { cpu: { autoscaling: { enabled: true, swarm: 'teddy' } } } },
  'several groups of bees': {
    groups: { cpu: { bees: ['teddy/preprocess', 'respond'] }, models: { bees: ['teddy/classify'], replicas: 2, maxUnavailable: '50%' } },
  },
  'a network policy and every Secret': {
    ...{
      envSecret: 'waggle-env',
      secretsSecret: 'waggle-secrets',
      secretsKeySecret: 'waggle-key',
      tlsSecret: 'waggle-tls',
      swarmsConfigMap: 'swarms',
    },
    ...{
      hosts: ['waggle.example.org'],
      serviceAccountName: 'default',
      imagePullSecrets: [{ name: 'registry' }],
      env: { WAGGLE_RETENTION_BYTES: 10_737_418_240 },
    },
    networkPolicy: {
      from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }, { podSelector: {} }],
      egressPorts: [9093, 443],
    },
    volumes: [{ name: 'kafka-ca', secret: { secretName: 'kafka-ca' } }],
    volumeMounts: [{ name: 'kafka-ca', mountPath: '/etc/kafka-ca', readOnly: true }],
  },
  'no network policy': { networkPolicy: { enabled: false } },
}

/** The nodes by name, zone and GPUs. */
const nodes = [
  ['a', 'one', 0],
  ['b', 'two', 0],
  ['c', 'three', 0],
  ['gpu', 'one', 3],
] as const

const scheduled = '.status.conditions[?(@.type=="PodScheduled")].status'
const ready = JSON.stringify({
  status: {
    phase: 'Running',
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'ContainersReady', status: 'True' },
    ],
    podIP: '10.1.0.1',
  },
})

interface Labelled {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly resourceVersion: string; readonly generation?: number; readonly deletionTimestamp?: string }
}

interface Deployment extends Labelled {
  readonly spec: { readonly replicas: number; readonly template: { readonly metadata: object; readonly spec: object } }
}

interface Pod extends Labelled {
  readonly spec: { readonly nodeName?: string }
}

if ('missing' in program || 'missing' in tools) {
  // The build of an API server takes ten minutes of CPU time, so a missing one is no failure in CI either.
  describe('A Kubernetes API server', () => {
    it('takes the Kustomize base and the Helm chart', { skip: `not run: ${missing}` }, () => {})
  })
} else {
  describe('A Kubernetes API server', () => {
    let cluster: KubernetesCluster
    const files = mkdtempSync(join(tmpdir(), 'waggle-charts-'))
    const kinds = 'deployments,services,networkpolicies,poddisruptionbudgets,scaledobjects.keda.sh'

    before(async () => {
      cluster = await KubernetesCluster.start(program.path, tools.helm)
      cluster.kubectl(['apply', '--server-side', '--filename', '-'], { input: scaledObjectDefinition() })
      cluster.kubectl(['wait', '--for=condition=Established', 'crd/scaledobjects.keda.sh', '--timeout=60s'])
      for (const [name, zone, gpus] of nodes) addNode(cluster, { name, zone, gpus })
    })

    after(async () => {
      await cluster?.[Symbol.asyncDispose]()
      rmSync(files, { recursive: true, force: true })
    })

    /** Makes a namespace with the strictest Pod Security Standard, which refuses and warns. */
    const restricted = (name: string) => {
      const labels = Object.fromEntries(['enforce', 'warn', 'audit'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'restricted']))
      cluster.kubectl(['create', '--filename', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }) })
      return name
    }

    const installed = (namespace: string, verb: 'install' | 'upgrade', values: object) => {
      const file = join(files, `${namespace}.json`)
      writeFileSync(file, JSON.stringify(values))
      const result = cluster.helm([verb, 'waggle', chart, '--namespace', namespace, '--values', file])
      assertNoWarning(result)
      return result.output
    }

    const deployments = (namespace: string) => cluster.objects<Deployment>(namespace, 'deployments')
    const pods = (namespace: string, group: string) => cluster.objects<Pod>(namespace, 'pods', `waggle.dev/group=${group}`)

    const nodesOf = (namespace: string, group: string) => pods(namespace, group).map(({ spec }) => spec.nodeName)

    /** Waits until the controllers have made all pods of a Deployment. */
    const waitForPods = (namespace: string, name: string, count: number) => {
      cluster.waitFor(namespace, `deployment/${name}`, '.status.replicas', String(count))
      cluster.waitFor(namespace, `deployment/${name}`, '.status.updatedReplicas', String(count))
    }

    /** Acts as the kubelet of a group: all its pods that have a node are ready. */
    const makeReady = (namespace: string, group: string) => {
      for (const { metadata } of pods(namespace, group)) {
        cluster.waitFor(namespace, `pod/${metadata.name}`, scheduled, 'True')
        cluster.kubectl(['--namespace', namespace, 'patch', 'pod', metadata.name, '--subresource=status', '--type=merge', '--patch', ready])
      }
    }

    it('takes the Kustomize base twice, without a warning, and changes nothing the second time', () => {
      const namespace = restricted('base')
      const apply = () => cluster.kubectl(['--namespace', namespace, 'apply', '--server-side', '--kustomize', base])
      assertNoWarning(apply())
      waitForPods(namespace, 'waggle-cpu', 3)
      const first = specsOf(cluster.objects(namespace, kinds))
      assert.deepEqual([...first.keys()], ['Deployment/waggle-cpu', 'Service/waggle', 'NetworkPolicy/waggle', 'PodDisruptionBudget/waggle-cpu'])
      assertNoWarning(apply())
      assert.deepEqual(specsOf(cluster.objects(namespace, kinds)), first)
      assertNoWarning(cluster.kubectl(['--namespace', namespace, 'delete', '--kustomize', base]))
      assert.deepEqual(cluster.objects(namespace, kinds), [])
    })

    it('takes the overlay with a namespace of its own, and its pods are allowed there', () => {
      for (let round = 0; round < 2; round++) assertNoWarning(cluster.kubectl(['apply', '--server-side', '--kustomize', overlayFolder]))
      waitForPods('waggle', 'waggle-cpu', 4)
      const [deployment] = deployments('waggle')
      const text = JSON.stringify(deployment?.spec)
      for (const part of ['registry.example.org/waggle:0.1.0', 'kafka-1.kafka:9092', 'waggle.$(POD_NAMESPACE).svc'])
        assert.ok(text.includes(part), part)
    })

    for (const [name, values] of Object.entries(valueSets))
      it(`installs the chart with ${name}, takes it again and after a change, rolls back, and removes it`, () => {
        const namespace = restricted(`chart-${name.toLowerCase().replaceAll(/\W+/g, '-')}`)
        assert.match(installed(namespace, 'install', values), /STATUS: deployed/)
        const first = specsOf(cluster.objects(namespace, kinds))
        installed(namespace, 'upgrade', values)
        assert.deepEqual(specsOf(cluster.objects(namespace, kinds)), first)

        // A Deployment only warns of pods that are not allowed, so its pod is created here too.
        for (const { metadata, spec } of deployments(namespace)) {
          const pod = { apiVersion: 'v1', kind: 'Pod', ...spec.template, metadata: { ...spec.template.metadata, name: `${metadata.name}-alone` } }
          assertNoWarning(cluster.kubectl(['--namespace', namespace, 'create', '--filename', '-'], { input: JSON.stringify(pod) }))
          waitForPods(namespace, metadata.name, spec.replicas)
        }

        installed(namespace, 'upgrade', { ...values, shutdownSeconds: 50, podAnnotations: { changed: 'yes' } })
        for (const { spec } of deployments(namespace)) assert.match(JSON.stringify(spec), /"terminationGracePeriodSeconds":70/)
        assertNoWarning(cluster.helm(['rollback', 'waggle', '1', '--namespace', namespace]))
        for (const { spec } of deployments(namespace)) assert.match(JSON.stringify(spec), /"terminationGracePeriodSeconds":50/)
        assertNoWarning(cluster.helm(['uninstall', 'waggle', '--namespace', namespace]))
        assert.deepEqual(cluster.objects(namespace, kinds), [])
      })

    it('keeps the number of pods when an upgrade gives a group to KEDA, and at upgrades after it', () => {
      const namespace = restricted('scaling')
      installed(namespace, 'install', { groups: { cpu: { replicas: 5 } } })
      const values = { groups: { cpu: { replicas: 5, autoscaling: { enabled: true } } } }
      installed(namespace, 'upgrade', values)
      assert.deepEqual(
        deployments(namespace).map(({ spec }) => spec.replicas),
        [5],
      )
      cluster.kubectl(['--namespace', namespace, 'scale', 'deployment/waggle-cpu', '--replicas=7'])
      installed(namespace, 'upgrade', { ...values, podAnnotations: { changed: 'yes' } })
      assert.deepEqual(
        deployments(namespace).map(({ spec }) => spec.replicas),
        [7],
      )
    })

    it('gives a pod with GPUs a node that has enough of them, and the other pods none of these nodes', () => {
      const namespace = restricted('gpus')
      // Pods of other tests wait for GPUs too, so this node is kept for this test.
      addNode(cluster, { name: 'three-gpus', zone: 'two', gpus: 3, keptFor: 'these-tests' })
      const { gpu } = valueSets.GPUs.groups
      const tolerations = [...gpu.tolerations, { key: 'these-tests', operator: 'Exists' }]
      const values = (replicas: number) => ({
        groups: { gpu: { ...gpu, replicas, tolerations, nodeSelector: { 'kubernetes.io/hostname': 'three-gpus' } } },
      })
      installed(namespace, 'install', values(1))
      waitForPods(namespace, 'waggle-gpu', 1)
      for (const { metadata } of [...pods(namespace, 'gpu'), ...pods(namespace, 'cpu')])
        cluster.waitFor(namespace, `pod/${metadata.name}`, scheduled, 'True')
      assert.deepEqual(nodesOf(namespace, 'gpu'), ['three-gpus'])
      assert.deepEqual(new Set(nodesOf(namespace, 'cpu')).difference(new Set(['a', 'b', 'c'])), new Set())
      // Each pod asks for two GPUs.
      installed(namespace, 'upgrade', values(2))
      waitForPods(namespace, 'waggle-gpu', 2)
      const [waiting] = pods(namespace, 'gpu').filter(({ spec }) => spec.nodeName === undefined)
      cluster.waitFor(namespace, `pod/${waiting?.metadata.name}`, scheduled, 'False')
    })

    it('spreads the pods of a group over zones, and lets one of them be evicted at a time', () => {
      const namespace = restricted('spread')
      installed(namespace, 'install', {})
      waitForPods(namespace, 'waggle-cpu', 3)
      makeReady(namespace, 'cpu')
      cluster.waitFor(namespace, 'deployment/waggle-cpu', '.status.readyReplicas', '3')
      cluster.waitFor(namespace, 'poddisruptionbudget/waggle-cpu', '.status.disruptionsAllowed', '1')
      const group = pods(namespace, 'cpu')
      assert.deepEqual(new Set(nodesOf(namespace, 'cpu')), new Set(['a', 'b', 'c']))
      const [first, second] = group.map(({ metadata }) => evict(cluster, namespace, metadata.name))
      assert.equal(first?.status, 0, first?.said)
      assert.match(second?.said ?? '', /Cannot evict pod as it would violate the pod's disruption budget/)
    })

    it('runs the commands of the page for operators', () => {
      const page = readFileSync(join(root, 'docs', 'operate', 'kubernetes.md'), 'utf8')
      const scripts = codeBlocks(page).filter(({ notRun }) => notRun?.includes('api-server.test.ts runs it') === true)
      const [values = assert.fail()] = codeBlocks(page).filter(({ language }) => language === 'yaml')
      const directory = join(files, 'operator')
      mkdirSync(directory)
      symlinkSync(join(root, 'ops'), join(directory, 'ops'))
      writeFileSync(join(directory, 'values.yaml'), values.text)
      const [install, overlay, upgrade, tokens, ...others] = scripts.map(
        ({ text }) =>
          () =>
            assertNoWarning(cluster.script(text, directory)),
      )
      assert.ok(install !== undefined && overlay !== undefined && upgrade !== undefined && tokens !== undefined)
      assert.deepEqual(others, [])
      install()
      waitForPods('bees', 'waggle-cpu', 3)
      tokens()
      cluster.waitFor('bees', 'deployment/waggle-cpu', '.metadata.generation', '2')
      upgrade()
      assert.deepEqual(cluster.objects('bees', kinds), [])
      assert.equal(cluster.objects('bees', 'secrets').length, 1)
      overlay()
    })

    it('runs the commands of the tutorial', () => {
      const page = readFileSync(join(root, 'docs', 'tutorial', 'kubernetes.md'), 'utf8')
      const [script = assert.fail()] = codeBlocks(page).filter(({ notRun }) => notRun?.includes('api-server.test.ts runs it') === true)
      const [values = assert.fail()] = codeBlocks(page).filter(({ language }) => language === 'yaml')
      const directory = join(files, 'on-kubernetes')
      cpSync(join(root, 'ops', 'init', 'templates', 'hello'), directory, { recursive: true })
      symlinkSync(root, join(files, 'waggle'))
      writeFileSync(join(directory, 'values.yaml'), values.text)
      writeFileSync(join(directory, 'tokens.txt'), 'web=0123456789abcdef01234567:ask:*\n')
      assertNoWarning(cluster.script(script.text, directory))
      waitForPods('default', 'waggle-cpu', 3)
      const [deployment] = deployments('default')
      assert.match(JSON.stringify(deployment?.spec), /"configMap":\{"defaultMode":420,"name":"hello-swarm"\}/)
    })

    it('warns of a Deployment with more rights, and refuses its pod and an unknown member of a ScaledObject', () => {
      const namespace = restricted('refusals')
      installed(namespace, 'install', valueSets.KEDA)
      const [deployment = assert.fail()] = deployments(namespace)
      const asRoot = JSON.parse(
        JSON.stringify(deployment.spec.template).replaceAll('"runAsNonRoot":true', '"runAsNonRoot":false'),
      ) as Deployment['spec']['template']
      const pod = { apiVersion: 'v1', kind: 'Pod', ...asRoot, metadata: { ...asRoot.metadata, name: 'root' } }
      const refused = cluster.kubectl(['--namespace', namespace, 'create', '--filename', '-'], { input: JSON.stringify(pod), mayFail: true })
      assert.match(refused.said, /violates PodSecurity "restricted:latest"/)
      const patch = JSON.stringify({ spec: { template: asRoot } })
      const patched = cluster.kubectl(['--namespace', namespace, 'patch', 'deployment/waggle-cpu', '--patch', patch])
      assert.match(patched.said, /Warning: would violate PodSecurity "restricted:latest"/)
      const [scaled] = cluster.objects<object>(namespace, 'scaledobjects.keda.sh')
      const text = JSON.stringify(scaled).replace('minReplicaCount', 'leastReplicas')
      const wrong = cluster.kubectl(['--namespace', namespace, 'replace', '--filename', '-'], { input: text, mayFail: true })
      assert.match(wrong.said, /unknown field "spec\.leastReplicas"/)
      // Helm must show the server's warnings: the other tests conclude from Helm's output that there is no warning.
      const host = ['--set', 'volumes[0].name=host', '--set', 'volumes[0].hostPath.path=/']
      assert.match(cluster.helm(['upgrade', 'waggle', chart, '--namespace', namespace, ...host]).said, /would violate PodSecurity/)
    })
  })
}

interface NewNode {
  readonly name: string
  readonly zone: string
  readonly gpus: number
  /** The key of a further taint. */
  readonly keptFor?: string
}

/** Makes a node that is ready. One with GPUs is kept for pods that need them, as GPU operators do it. */
function addNode(cluster: KubernetesCluster, { name, zone, gpus, keptFor }: NewNode): void {
  const labels = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': zone }
  const keys = [...(gpus > 0 ? ['nvidia.com/gpu'] : []), ...(keptFor === undefined ? [] : [keptFor])]
  const taints = keys.map((key) => ({ key, value: 'present', effect: 'NoSchedule' }))
  cluster.kubectl(['create', '--filename', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels } }) })
  const capacity = { cpu: '64', memory: '256Gi', pods: '110', ...(gpus > 0 ? { 'nvidia.com/gpu': String(gpus) } : {}) }
  const status = { capacity, allocatable: capacity, conditions: [{ type: 'Ready', status: 'True' }] }
  cluster.kubectl(['patch', 'node', name, '--subresource=status', '--type=merge', '--patch', JSON.stringify({ status })])
  // The API server marks a new node as not ready.
  cluster.kubectl(['patch', 'node', name, '--type=merge', '--patch', JSON.stringify({ spec: { taints } })])
}

function evict(cluster: KubernetesCluster, namespace: string, name: string): CommandResult {
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } }
  const path = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`
  return cluster.kubectl(['create', '--raw', path, '--filename', '-'], { input: JSON.stringify(eviction), mayFail: true })
}

/** The objects' identities, by which a change of anything but the status is seen. */
function specsOf(objects: readonly Labelled[]): ReadonlyMap<string, unknown> {
  return new Map(
    objects.map((one) => {
      const { kind, metadata, status: _, ...rest } = one as Labelled & { readonly status?: unknown }
      return [`${kind}/${metadata.name}`, { ...rest, generation: metadata.generation }]
    }),
  )
}

function assertNoWarning({ said }: CommandResult): void {
  assert.equal(said, '')
}
