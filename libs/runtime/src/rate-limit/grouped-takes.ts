/** Takes of one name that wait to be asked for together. */
interface Group<Plan, Verdict> {
  plan: Plan;
  waiting: ((verdict: Verdict) => void)[];
}

/** Puts what is taken of one name in the same turn of the event loop into one command. */
export class GroupedTakes<Plan, Verdict> {
  private groups = new Map<string, Group<Plan, Verdict>>();

  /** @param run a verdict for each of `count` takes, in their order; it never rejects. All of a group have the plan of its first */
  constructor(private readonly run: (name: string, plan: Plan, count: number) => Promise<Verdict[]>) {}

  take(name: string, plan: Plan): Promise<Verdict> {
    return new Promise((resolve) => {
      if (this.groups.size === 0) setImmediate(() => this.flush());
      const group = this.groups.get(name);
      if (group) group.waiting.push(resolve);
      else this.groups.set(name, { plan, waiting: [resolve] });
    });
  }

  private flush(): void {
    const { groups } = this;
    this.groups = new Map();
    for (const [name, { plan, waiting }] of groups) {
      void this.run(name, plan, waiting.length).then((verdicts) => {
        for (const [index, resolve] of waiting.entries()) resolve(verdicts[index]!);
      });
    }
  }
}
