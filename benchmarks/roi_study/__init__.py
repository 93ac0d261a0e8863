"""What should LumiNet look at in a detector? Runs on the quickstart's digits; the page is docs/roi_study.md."""
