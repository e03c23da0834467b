import { parseArgs } from 'node:util';
import { dockerCompose } from './services/compose.ts';
import { describeService } from './services/describe-service.ts';
import { keepServices, serviceStatus, stopKeptServices } from './services/kept-services.ts';
import { type Service, type StoreName, storeNames } from './services/service.ts';

const usage = `usage: npm run services -- up|down|status [--json] [--only ${storeNames.join(',')}]

up      finds or starts a server for each store and leaves it running
status  asks each server that is up
down    stops what up started and removes its temporary folders`;

const log = (line: string) => console.error(line);

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, only: { type: 'string' } },
  });
  const stores = chosenStores(values.only);
  const print = (services: readonly Service[]) => {
    if (values.json) console.log(JSON.stringify({ services }, undefined, 2));
    else for (const service of services) console.log(describeService(service));
  };
  switch (positionals[0]) {
    case 'up':
      return print(await keepServices({ stores, env: process.env, log }));
    case 'status':
      return print(await serviceStatus(stores));
    case 'down':
      return print(await stopKeptServices({ stores, compose: dockerCompose(log) }));
    default:
      throw new Error(usage);
  }
}

function chosenStores(only: string | undefined): readonly StoreName[] {
  if (only === undefined) return storeNames;
  return only.split(',').map((name) => storeNames.find((store) => store === name) ?? unknownStore(name));
}

function unknownStore(name: string): never {
  throw new Error(`no store is called ${JSON.stringify(name)}\n\n${usage}`);
}

main().catch((error: unknown) => {
  log(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
