import { RedisWorld } from '/work/main/test/support/redis-world.ts';
const w = await RedisWorld.start();
for (const AT of [1,5,11,17,33,60,90]) for (const mode of ['shrink']) {
await w.raw.flushall();
await w.raw.call('DEBUG','POPULATE','200000','other');
await w.raw.call('DEBUG','POPULATE','5000','siraya');
const seen = new Map<string, number>(); let pages=0, n=0;
for await (const page of w.store.scan(2000)) {
  pages++;
  for (const k of page) if (k.startsWith('siraya:')) seen.set(k, (seen.get(k) ?? 0)+1);
  if (pages===AT) {
    if (mode==='shrink') { const p=w.raw.pipeline(); for (let i=0;i<195000;i++) p.unlink(`other:${i}`); await p.exec(); await new Promise(r=>setTimeout(r,400)); }
    else await w.raw.call('DEBUG','POPULATE','600000','more');
  }
}
const dup=[...seen.values()].filter(c=>c>1).length;
console.log(AT, mode, {pages, distinct: seen.size, dup});
}
await w.stop();
