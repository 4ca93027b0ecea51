module imagemill/bench

go 1.27
