import { it } from 'node:test'
import { skipWithoutPython } from '../support/python-bee.ts'
import { ShelfSwarm } from '../support/shelf-swarm.ts'

it('The hello-python swarm answers curl and the client of 2021 as its README shows', { skip: skipWithoutPython }, async () => {
  await using swarm = await ShelfSwarm.run('hello-python')
  await swarm.answersAsReadmeShows()
})
