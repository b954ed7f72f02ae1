import { after, before, it } from 'node:test'
import { describeWithChromium } from '../support/chromium.ts'
import { onPage, sendJson } from '../support/page-steps.ts'
import { SwarmHere } from '../support/swarm-here.ts'
