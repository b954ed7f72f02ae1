import assert from 'node:assert/strict'
import { it } from 'node:test'
import { smallModel } from '../../../ops/bench/small-model.ts'
import { describeWithS3, type Env } from '../../support/s3-server.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

const bees = (spec: string) => `  - {name: model, type: tensor-rt, input: {name: entrance}, spec: {${spec}}}
  - {name: answer, type: respond, input: {name: model}}`

describeWithS3('A swarm with a model in a bucket', (server) => {
  it('fetches the model with the labels beside it, and answers', async () => {
    await server().makeBucket('answers')
    await server().put('answers', 'small.onnx', smallModel({ features: 4, labels: 2 }))
    await server().put('answers', 'small.labels.txt', 'no\nyes\n')
    await withEnv(server().env, async () => {
      await using swarm = await SwarmHere.open({}, { bees: bees('model: "s3://answers/small.onnx"') })
      const answer = await swarm.ask([1, 0, 9, 9])
      assert.equal(answer.status, 200, await answer.clone().text())
      assert.deepEqual(Object.keys(((await answer.json()) as { scores: object }).scores), ['no', 'yes'])
    })
  })

  it('answers from a version that comes into the bucket while it runs, after a reload', async () => {
    await server().makeBucket('versions')
    await server().put('versions', 'judge/1/model.onnx', smallModel({ features: 4, labels: 2 }))
    await withEnv(server().env, async () => {
      await using swarm = await SwarmHere.open({}, { bees: bees('model: "s3://versions/judge"') })
      const version = async () => ((await (await swarm.ask([1, 0, 0, 0])).json()) as { readonly version: string }).version
      assert.equal(await version(), '1')
      await server().put('versions', 'judge/2/model.onnx', smallModel({ features: 4, labels: 2 }))
      const reloaded = await fetch(`${swarm.url}/v2/models/${swarm.name}/bees/model/reload`, { method: 'POST' })
      assert.equal(reloaded.status, 200, await reloaded.text())
      assert.equal(await version(), '2')
    })
  })
})

/** Runs with variables of this process, where the AWS SDK looks for them. */
async function withEnv(env: Env, run: () => Promise<void>): Promise<void> {
  const before = new Map(Object.keys(env).map((name) => [name, process.env[name]]))
  Object.assign(process.env, env)
  try {
    await run()
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}
